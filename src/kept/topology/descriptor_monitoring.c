#include "kept/topology/rows.h"

static const struct property monitoring_rows[] = {
    ROW(topology_monitoring, access_log, BOOL,
        .help = "Each machine writes a line for every SIP transaction into access.log of its state folder "
                "(or where "
                "entented --access-log says)."),
    ROW(topology_monitoring, users, ENUM, .values = "hashed|whole|none", .otherwise = "hashed",
        .help = "How the access log tells users' names: as a hash that a machine keeps the same, whole, or "
                "not at "
                "all."),
    ROW(topology_monitoring, access_log_mb, INT, .otherwise = "100", .min = 0, .max = 1000000,
        .unit = "megabytes",
        .help = "The size at which the access log begins a new file; 0 leaves that to SIGHUP."),
    ROW(topology_monitoring, access_log_keep, INT, .otherwise = "10", .min = 0, .max = 100,
        .help = "Old files of the access log that are kept."),
    ROW(topology_monitoring, metrics_port, INT, .otherwise = "0", .min = 0, .max = 65535,
        .help = "The HTTP port on the internal address at which Prometheus reads /metrics; 0 means off."),
    ROW(topology_monitoring, metrics_from, NAMES, .max = TOPOLOGY_MAX_NAMES, .item = PROPERTY_ADDRESS,
        .help = "Addresses that may read metrics there; none means all that reach the port."),
};
const struct kind kind_monitoring =
    KIND("monitoring", topology_monitoring, monitoring_rows, "What machines tell of what they do.");
