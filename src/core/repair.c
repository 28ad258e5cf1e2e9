/*
 * Repairing a damaged data file: only damage with one possible repair is repaired.
 */
#include "open.h"

#include "clock.h"
#include "error.h"
#include "segment.h"
#include "word.h"

/*
 * Store the code within the lock, as a transaction. Otherwise another transaction, which saved the
 * first block before, would restore the wrong code when it is rolled back.
 */
static int restore_code(ipm_segment *segment, bool *repaired, ipm_error *error) {
    int failed = ipm_segment_lock(segment, IPM_PATIENCE_NS, error);
    if (failed != IPM_OK)
        return failed;
    bool wrong = ipm_load_u16(ipm_segment_data(segment)) != IPM_HEADER_CODE;
    if (wrong)
        ipm_store_u16(ipm_segment_change(segment, 0, sizeof(uint16_t)), IPM_HEADER_CODE);
    failed = ipm_segment_unlock(segment, error);
    *repaired = wrong && failed == IPM_OK;
    return failed;
}

static int mend(const ipm_options *options, bool *repaired, ipm_error *error) {
    ipm_layout *layout = NULL;
    ipm_segment *segment = NULL;
    if (options == NULL || options->path == NULL)
        return ipm_fail(error, IPM_EINVALID, 0, "a repair needs the path of the data file");
    int code = ipm_datafile_describe(options->path, IPM_MEND, &layout, error);
    if (code == IPM_OK)
        code = ipm_segment_open_for(IPM_EDITOR, IPM_MEND, layout, options, &segment, error);
    if (code == IPM_OK)
        code = restore_code(segment, repaired, error);
    if (segment != NULL)
        ipm_segment_release(segment);
    ipm_layout_free(layout);
    return code;
}

int ipm_segment_repair(const ipm_options *options, bool *repaired, ipm_error *error) {
    ipm_error detail;
    *repaired = false;
    return ipm_report(mend(options, repaired, &detail), &detail, error);
}
