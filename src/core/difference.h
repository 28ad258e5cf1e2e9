/*
 * Finds the first difference between two layouts, and describes it as text.
 */
#ifndef IPM_CORE_DIFFERENCE_H
#define IPM_CORE_DIFFERENCE_H

#include "../ipmmap.h"

/*
 * Compare the struct that a data file describes with the struct that the program defines.
 * match    how they may differ
 * returns  IPM_OK; IPM_ELAYOUT, with a text such as
 *          "data_int: int32 at 16 in the file, int64 at 16 in the definition"
 */
int ipm_layout_difference(const ipm_type *in_file, const ipm_type *defined, ipm_match match,
                          ipm_error *error);

/* Whether two layouts have the same text, and so are equal in all that they say. */
bool ipm_layout_is_same(const ipm_layout *a, const ipm_layout *b);

#endif
