import { AppError } from '@app/core'
import type { AuthenticatedRequester } from '../requester/requester.js'

/** Throws `access_denied` unless the credential is good for this use; a client certificate is good for every one. */
export function requireScope({ credential }: AuthenticatedRequester, scope: 'enroll'): void {
  if (credential === undefined || credential.scopes.includes(scope)) return
  throw new AppError('access_denied', `The token has no scope "${scope}". Ask for one that has.`)
}
