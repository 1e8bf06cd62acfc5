#!/bin/sh
# A secret from the variable X, or from the file that X_FILE names, for entrypoints of images.
#
#     . /file-env.sh
#     file_env DB_PASSWORD            # DB_PASSWORD is set and exported, DB_PASSWORD_FILE is gone
#     file_env LOG_LEVEL info         # with a default for when neither is set, or X is empty
#     exec "$@"
#
# Any POSIX shell (dash, busybox ash, bash, ksh) with cat, tr and wc. One newline at the end of the
# file is taken away and nothing else. Both set, none set, a file that cannot be read, an empty one or one with
# a NUL byte: a message on stderr and exit 1. No message contains a value.

file_env() {
    case ${1-} in
    '' | [0-9]* | *[!A-Za-z0-9_]*)
        echo "file_env: not a name for a variable" >&2
        exit 1
        ;;
    esac
    eval "_fe_set=\${$1+set} _fe_value=\${$1-} _fe_file=\${$1_FILE-}"
    if [ -n "$_fe_file" ]; then
        if [ -n "$_fe_set" ]; then
            echo "both $1 and $1_FILE are set" >&2
            exit 1
        fi
        if ! [ -f "$_fe_file" ] || ! [ -r "$_fe_file" ]; then
            echo "$1: cannot read $_fe_file" >&2
            exit 1
        fi
        # A shell drops NUL bytes without a word.
        if [ "$(wc -c <"$_fe_file")" -ne "$(tr -d '\000' <"$_fe_file" | wc -c)" ]; then
            echo "$1: a variable cannot hold the NUL byte of $_fe_file" >&2
            exit 1
        fi
        # $(…) takes every newline from the end; the x keeps them, and one is taken by hand.
        _fe_value=$(cat "$_fe_file" && echo x) || exit 1
        _fe_value=${_fe_value%x}
        _fe_newline='
'
        _fe_value=${_fe_value%"$_fe_newline"}
        if [ -z "$_fe_value" ]; then
            echo "$1: the file is empty: $_fe_file" >&2
            exit 1
        fi
    elif [ -z "$_fe_value" ]; then
        if [ "$#" -lt 2 ]; then
            echo "neither $1 nor $1_FILE is set" >&2
            exit 1
        fi
        _fe_value=$2
    fi
    eval "$1=\$_fe_value"
    export "$1"
    unset "$1_FILE" _fe_set _fe_value _fe_file _fe_newline
}
