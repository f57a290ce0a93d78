/* Completion of bash: words by what stands before them, options by command. */
#include "cmd/entente/command.h"

/* The word of a command at this depth (empty: it has none), and the words before it. */
static struct slice words_before(const struct command *c, size_t depth, struct slice *ret_word)
{
    struct slice words = slice_str(c->help ? c->words : ""), rest = words, word = SLICE_NONE;
    for (size_t i = 0; i <= depth; i++) {
        if (!rest.p) {
            *ret_word = SLICE_NONE;
            return words;
        }
        if (!slice_cut(rest, ' ', &word, &rest)) {
            word = rest;
            rest = SLICE_NONE;
        }
    }
    *ret_word = word;
    size_t at = (size_t)(word.p - words.p);
    return slice_head(words, at ? at - 1 : 0);
}

static bool seen_before(size_t command, size_t depth, struct slice prefix, struct slice word)
{
    for (size_t i = 0; i < command; i++) {
        struct slice w, p = words_before(&commands[i], depth, &w);
        if (w.n && slice_eq(p, prefix) && slice_eq(w, word))
            return true;
    }
    return false;
}

static void next_words(size_t depth, struct slice prefix, struct buf *out)
{
    for (size_t i = 0; i < n_commands; i++) {
        struct slice w, p = words_before(&commands[i], depth, &w);
        if (w.n && slice_eq(p, prefix) && !seen_before(i, depth, prefix, w))
            buf_printf(out, SLICE_FMT " ", SLICE_ARG(w));
    }
}

/* "topology") next="show set …" ;; for every prefix that words follow. */
static void tree(struct buf *out)
{
    enum { DEPTH = 3 };
    for (size_t depth = 0; depth < DEPTH; depth++)
        for (size_t i = 0; i < n_commands; i++) {
            struct slice w, p = words_before(&commands[i], depth, &w);
            bool known = !w.n;
            for (size_t k = 0; k < i && !known; k++) {
                struct slice w2, p2 = words_before(&commands[k], depth, &w2);
                known = w2.n && slice_eq(p, p2);
            }
            if (known)
                continue;
            buf_printf(out, "    \"" SLICE_FMT "\") next=\"", SLICE_ARG(p));
            next_words(depth, p, out);
            out->end--;
            buf_append(out, SLICE("\" ;;\n"));
        }
}

static void options_of_commands(struct buf *out)
{
    for (size_t i = 0; i < n_commands; i++) {
        if (!commands[i].help)
            continue;
        buf_printf(out, "    \"%s\"*) options=\"", commands[i].words);
        for (unsigned o = 0; o < OPTION_N; o++)
            if (commands[i].options & 1ULL << o)
                buf_printf(out, "--%s ", option_rows[o].name);
        out->end--;
        buf_append(out, SLICE("\" ;;\n"));
    }
}

/* "--from transition"*|…) what offers its values ;; for an option, of these commands. */
static void values_of(const struct option_row *row, const char *of_commands, struct buf *out)
{
    static const char *const how[] = {[COMPLETES_NOTHING] = "",
                                      [COMPLETES_FILE] = "COMPREPLY=($(compgen -f -- \"$now\")); ",
                                      [COMPLETES_FOLDER] = "COMPREPLY=($(compgen -d -- \"$now\")); ",
                                      [COMPLETES_POOL] = "words=:POOL; _entente_ask; ",
                                      [COMPLETES_MACHINE] = "words=:MACHINE; _entente_ask; "};
    if (!row->value || row->value[0] == '[')
        return;
    buf_printf(out, "    \"--%s %s\"*", row->name, of_commands);
    if (row->letter)
        buf_printf(out, "|\"-%c %s\"*", row->letter, of_commands);
    if (row->words)
        buf_printf(out, ") COMPREPLY=($(compgen -W \"%s\" -- \"$now\")); return ;;\n", row->words);
    else
        buf_printf(out, ") %sreturn ;;\n", how[row->completes]);
}

static void values_of_options(struct buf *out)
{
    for (size_t i = 0; i < n_option_senses; i++)
        values_of(&option_senses[i].row, option_senses[i].commands, out);
    for (unsigned o = 0; o < OPTION_N; o++)
        values_of(&option_rows[o], "", out);
}

static void skipped_values(struct buf *out)
{
    for (unsigned o = 0, n = 0; o < OPTION_N; o++) {
        const struct option_row *row = &option_rows[o];
        if (!row->value || row->value[0] == '[')
            continue;
        buf_printf(out, "%s--%s", n++ ? "|" : "", row->name);
        if (row->letter)
            buf_printf(out, "|-%c", row->letter);
    }
}

/* What stands in the draft is asked for, ":FILE" as the first answer stands for all files; a word that goes
 * on takes no blank behind it. */
static const char ask_function[] = "_entente_ask()\n{\n"
                                   "    local IFS=$'\\n'\n"
                                   "    COMPREPLY=($(IFS=' '; \"${COMP_WORDS[0]}\" complete \"${state[@]}\" "
                                   "-- $words \"$now\" 2>/dev/null))\n"
                                   "    if [[ ${COMPREPLY[0]} == :FILE ]]; then\n"
                                   "        COMPREPLY=(\"${COMPREPLY[@]:1}\" $(compgen -f -- \"$now\"))\n"
                                   "    fi\n"
                                   "    if [[ ${#COMPREPLY[@]} -ge 1 && ${COMPREPLY[*]} == *[/=] ]]; then\n"
                                   "        compopt -o nospace 2>/dev/null\n"
                                   "    fi\n"
                                   "}\n";

void completion_bash(struct buf *out)
{
    buf_append(out, SLICE("# bash completion of entente: source <(entente completion bash)\n"));
    buf_append(out, slice_str(ask_function));
    buf_append(
        out,
        SLICE("_entente()\n{\n"
              "    local now=\"${COMP_WORDS[COMP_CWORD]}\" last=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
              "    local words=\"\" next=\"\" options=\"--state --help --version\" i state=()\n"
              "    COMPREPLY=()\n"
              "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
              "        case \"${COMP_WORDS[i]}\" in\n"
              "        --state|--socket) state=(\"${COMP_WORDS[i]}\" \"${COMP_WORDS[i+1]/#\\~/$HOME}\"); "
              "i=$((i + 1)) ;;\n"
              "        "));
    skipped_values(out);
    buf_append(out, SLICE(") i=$((i + 1)) ;;\n"
                          "        -*) ;;\n"
                          "        *) words=\"${words:+$words }${COMP_WORDS[i]}\" ;;\n"
                          "        esac\n"
                          "    done\n"
                          "    case \"$last $words\" in\n"));
    values_of_options(out);
    buf_append(out, SLICE("    esac\n"
                          "    case \"$words\" in\n"));
    tree(out);
    buf_append(out, SLICE("    esac\n"
                          "    case \"$words\" in\n"));
    options_of_commands(out);
    buf_append(out, SLICE("    esac\n"
                          "    if [[ $now == -* ]]; then\n"
                          "        COMPREPLY=($(compgen -W \"$options\" -- \"$now\"))\n"
                          "    elif [[ -n $next ]]; then\n"
                          "        COMPREPLY=($(compgen -W \"$next\" -- \"$now\"))\n"
                          "    else\n"
                          "        _entente_ask\n"
                          "    fi\n"
                          "}\n"
                          "complete -o filenames -F _entente entente\n"));
}
