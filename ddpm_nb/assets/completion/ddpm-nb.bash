# completion of ddpm-nb for bash; written by: ddpm-nb completion bash
_ddpm_nb() {
    local IFS=$'\n'
    COMPREPLY=($(ddpm-nb __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
}
complete -o default -F _ddpm_nb ddpm-nb
