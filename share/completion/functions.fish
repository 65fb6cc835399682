
# What of the command line stands before the cursor, without its quotes, and the home directory for a ~.
function __capf_line
    for word in (commandline -opc)
        # A word whose quotes are not closed stays as it is.
        set -l plain (string unescape -- $word 2>/dev/null)
        or set plain $word
        string replace -r -- '^~/' "$HOME/" "$plain"
    end
end

# Is the argument that is being typed the first? What follows are the options whose value is the next word.
function __capf_first_argument
    set -l line (__capf_line)
    set -l behind no
    for word in $line[2..-1]
        if test $behind = yes
            set behind no
        else if string match -q -- '-*' $word
            contains -- $word $argv
            and set behind yes
        else
            return 1
        end
    end
    return 0
end

# Names of kind $argv in the spool.
function __capf_names
    set -l line (__capf_line)
    set -l spool
    for i in (seq 2 (count $line))
        switch $line[$i]
            case -s --spool
                set spool -s $line[(math $i + 1)]
            case '--spool=*'
                set spool -s (string replace -- --spool= '' $line[$i])
            case '-s?*'
                set spool -s (string replace -r -- '^-s' '' $line[$i])
        end
    end
    capf $spool --list-names $argv 2>/dev/null
end

# The words of capf, or what the program takes that these run.
function __capf_front
    set -l line (__capf_line)
    set -l spool
    set -e line[1]
    while set -q line[1]
        switch $line[1]
            case -s --spool
                set spool -s (string escape -- $line[2])
                set -e line[1]
            case '--spool=*' '-s?*'
                set spool (string escape -- $line[1])
            case '-*' utils capf help
            case '*'
                break
        end
        set -e line[1]
    end
    if not set -q line[1]
        string replace '|' \t -- $__capf_first
        return
    end
    for command in $__capf_commands
        set -l part (string split '|' -- $command)
        set -l words (string split ' ' -- $part[1])
        set -l n (count $words)
        if test (count $line) -ge $n; and test "$line[1..$n]" = "$part[1]"
            string match -q '*_*' -- $part[2]
            or complete -C "$part[2] $spool "(string join ' ' -- (string escape -- $line[(math $n + 1)..-1]) (commandline -ct))
            return
        else if test (count $line) -eq 1 -a $n -eq 2 -a "$words[1]" = "$line[1]"
            printf '%s\t%s\n' $words[2] $part[3]
        end
    end
end

complete -c capf -e
complete -c capf -s s -l spool -x -a '(__fish_complete_directories)' -d 'the spool'
complete -c capf -s h -l help -d 'show the commands'
complete -c capf -s V -l version -d 'show the version'
complete -c capf -f -a '(__capf_front)'
