import { AppError } from '@app/core'
import type { CaRow } from '@app/storage'
import type { AuthenticatedRequester } from '../requester/requester.js'

/** Throws unless the credential is good for this CA and this use. */
export function allow(requester: AuthenticatedRequester, ca: CaRow | undefined, scope: 'enroll' | undefined): void {
  const { credential } = requester
  if (credential === undefined) return
  if (ca !== undefined && credential.caId !== null && credential.caId !== ca.id) {
    throw new AppError('not_found', `There is no certification authority "${ca.name}".`)
  }
  if (scope !== undefined && !credential.scopes.includes(scope)) {
    throw new AppError('access_denied', `The token has no scope "${scope}". Ask for one that has.`)
  }
}
