# Standard input as one JSON string; control characters go, tabs become blanks.
json_string() {
    printf '"'
    tr '\t' ' ' | tr -d '\000-\010\013-\037' | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' |
        awk 'NR > 1 { printf "\\n" } { printf "%s", $0 }'
    printf '"'
}

# A word as a JSON string, null when empty.
json_word() {
    if [ -n "$1" ]; then printf '%s' "$1" | json_string; else printf null; fi
}

# A word of digits as a JSON number, null when it is none.
json_number() {
    case $1 in
    '' | *[!0-9]*) printf null ;;
    *) printf '%s' "$1" ;;
    esac
}

# true or false: whether a command succeeds.
json_whether() {
    # In a subshell: what it changes stays there.
    if ("$@") >/dev/null 2>&1; then printf true; else printf false; fi
}

# What a command prints, if that is a JSON list or object; null otherwise.
json_of() {
    json_output=$("$@" 2>/dev/null) || json_output=
    case $json_output in
    '['*']' | '{'*'}') printf '%s' "$json_output" ;;
    *) printf null ;;
    esac
}
