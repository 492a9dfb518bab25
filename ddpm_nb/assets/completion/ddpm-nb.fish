# completion of ddpm-nb for fish; written by: ddpm-nb completion fish
function __ddpm_nb_complete
    set -l words (commandline -opc) (commandline -ct)
    ddpm-nb __complete $words[2..-1] 2>/dev/null
end
complete -c ddpm-nb -a '(__ddpm_nb_complete)'
