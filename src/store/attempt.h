/*
 * attempt.h
 *		Work in a subtransaction, whose failure is told and not raised.
 */
#ifndef TSDB_STORE_ATTEMPT_H
#define TSDB_STORE_ATTEMPT_H

/*
 * Run work in a subtransaction.  Returns NULL, or the error, in the current memory context; the
 * subtransaction has been rolled back then.
 */
extern ErrorData *tsdb_attempt(void (*work) (void *arg), void *arg);

#endif							/* TSDB_STORE_ATTEMPT_H */
