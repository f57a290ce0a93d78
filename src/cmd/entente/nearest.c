#include "cmd/entente/command.h"

#include "ground/base/text.h"

enum { NEAREST_MAX = 64 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t nearest_distance(struct slice a, struct slice b)
{
    size_t rows[3][NEAREST_MAX + 1], *before = rows[0], *above = rows[1], *row = rows[2];
    if (a.n > NEAREST_MAX || b.n > NEAREST_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            char x = text_lower(a.p[i - 1]), y = text_lower(b.p[j - 1]);
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == text_lower(b.p[j - 2]) && y == text_lower(a.p[i - 2]))
                row[j] = least(row[j], before[j - 2] + 1);
        }
    }
    return row[b.n];
}

static bool nearer(struct slice typed, struct slice known, size_t *best)
{
    size_t d = nearest_distance(typed, known);
    if (d >= *best || d > typed.n / 3 + 1)
        return false;
    *best = d;
    return true;
}

/* As many words of `text` as `like` has. */
static struct slice first_words(struct slice text, struct slice like)
{
    size_t spaces = 0, i = 0;
    for (size_t k = 0; k < like.n; k++)
        spaces += like.p[k] == ' ';
    for (; i < text.n; i++)
        if (text.p[i] == ' ' && spaces-- == 0)
            break;
    return slice_head(text, i);
}

const char *nearest_command(struct slice typed)
{
    const char *best = NULL;
    size_t distance = SIZE_MAX;
    for (size_t i = 0; i < n_commands; i++) {
        struct slice words = slice_str(commands[i].words);
        if (commands[i].help && nearer(first_words(typed, words), words, &distance))
            best = commands[i].words;
    }
    return best;
}

struct slice nearest_noun(struct slice typed)
{
    struct slice best = SLICE_NONE;
    size_t distance = SIZE_MAX;
    for (size_t i = 0; i < n_commands; i++) {
        struct slice noun = first_words(slice_str(commands[i].words), SLICE("noun"));
        if (commands[i].help && nearer(first_words(typed, noun), noun, &distance))
            best = noun;
    }
    return best;
}

const char *nearest_option(struct slice typed)
{
    const char *best = NULL;
    size_t distance = SIZE_MAX;
    for (size_t i = 0; i < OPTION_N; i++)
        if (nearer(typed, slice_str(option_rows[i].name), &distance))
            best = option_rows[i].name;
    return best;
}
