/* entente: the command line. */
#include "cmd/entente/command.h"
#include "ground/log/log.h"

#include <signal.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    log_setup(LOG_TEXT, LOG_WARN, "entente", "", STDERR_FILENO); /* what init calls may log */
    signal(SIGPIPE, SIG_IGN);
    return entente_run(argc, argv, STDIN_FILENO, stdout, stderr);
}
