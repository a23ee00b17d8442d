#include <cblas.h>

/* LAPACK inside OpenBLAS, by its Fortran symbols (column-major, 32-bit integers); Debian's
   libopenblas-dev has no header for them. The lengths of character arguments come last. */

/* A = U * S * V^T of A [m, n]; jobz "S" gives the first min(m, n) columns of U and rows of V^T.
   lwork -1 asks for the size of work. netlib: sgesdd. */
void sgesdd_(const char *jobz, const int *m, const int *n, float *a, const int *lda, float *s,
             float *u, const int *ldu, float *vt, const int *ldvt, float *work, const int *lwork,
             int *iwork, int *info, unsigned long jobzLength);

/* A = Q * R of A [m, n] as reflectors, and Q [m, k] from them. netlib: sgeqrf, sorgqr. */
void sgeqrf_(const int *m, const int *n, float *a, const int *lda, float *tau, float *work,
             const int *lwork, int *info);
void sorgqr_(const int *m, const int *n, const int *k, float *a, const int *lda, const float *tau,
             float *work, const int *lwork, int *info);
