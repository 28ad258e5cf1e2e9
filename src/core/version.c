#include "../ipmmap.h"

const char *ipm_version(void) {
    return IPM_VERSION;
}
