# completion of ddpm-nb for zsh; written by: ddpm-nb completion zsh
_ddpm_nb() {
    local -a lines candidates
    lines=("${(@f)$(ddpm-nb __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    # _describe takes name:help, so a colon in a name is escaped before the tab becomes one
    candidates=("${(@)${(@)lines//:/\\:}/$'\t'/:}")
    if [[ -n ${lines[1]} ]]; then
        _describe -t values 'ddpm-nb' candidates
    else
        _files
    fi
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
compdef _ddpm_nb ddpm-nb
