"What several test files use: tiny networks and runs, commands, and what is compared"
