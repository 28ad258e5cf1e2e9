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

/*
 * The same for any two structs or arrays: `a` may have more than `b`. where_a and where_b name
 * their places: "in the file".
 */
int ipm_type_compare(const ipm_type *a, const char *where_a, const ipm_type *b, const char *where_b,
                     ipm_match match, ipm_error *error);

#endif
