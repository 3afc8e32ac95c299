import type { Finding } from '@app/core'

/** How an installation stands, as far as the database tells. */
export interface OperationFacts {
  readonly requests: readonly { readonly state: string; readonly count: number; readonly oldest: Date | null }[]
  readonly crls: readonly {
    readonly ca: string
    readonly keyIndex: number
    readonly nextUpdate: Date | null
    readonly nextPublish: Date | null
  }[]
  readonly certificates: readonly {
    readonly kind: 'ca' | 'exchange' | 'agent'
    readonly name: string
    readonly notAfter: Date
  }[]
}

const minute = 60_000
const day = 86_400_000

/** A step takes a request at once; what it has not taken after so long is stuck. */
const STUCK = 5 * minute

/** How long before its end somebody should renew a certificate, and what to do. */
const RENEWALS = {
  ca: { days: 180, what: 'The certificate of the CA', remedy: 'Renew it with "certkeep ca rotate".' },
  exchange: {
    days: 3,
    what: 'The exchange certificate of the CA',
    remedy: 'The server renews it by itself: see in the log of the authority why it does not.'
  },
  agent: {
    days: 90,
    what: 'The certificate of the recovery agent',
    remedy: 'Add a successor, and have the keys resealed to it with "certkeep agent reseal".'
  }
} as const

/** What people should look at: requests that no step takes, CRLs that are late, certificates that end. */
export function operationFindings(facts: OperationFacts, now: Date): readonly Finding[] {
  return [...stuckRequests(facts, now), ...lateCrls(facts, now), ...endingCertificates(facts, now)]
}

function stuckRequests({ requests }: OperationFacts, now: Date): readonly Finding[] {
  return requests.flatMap(({ state, count, oldest }): readonly Finding[] => {
    // Who waits for an officer may wait; how long is the template's affair.
    if (state === 'pending' || oldest === null || now.getTime() - oldest.getTime() <= STUCK) return []
    const role = state === 'approved' ? 'authority or the archive' : 'authority'
    return [
      {
        check: 'requests-stuck',
        severity: 'error',
        cause: `${count} requests are ${state}, the oldest since ${oldest.toISOString()}, and no step takes them.`,
        remedy: `See that the ${role} runs, and what its log says of these requests.`
      }
    ]
  })
}

function lateCrls({ crls }: OperationFacts, now: Date): readonly Finding[] {
  return crls.flatMap(({ ca, keyIndex, nextUpdate, nextPublish }): readonly Finding[] => {
    const remedy = 'See in the log of the authority why it signs none; "certkeep ca crl" has one published now.'
    const which = `of the CA "${ca}" (key ${keyIndex})`
    if (nextUpdate === null) {
      return [{ check: 'crl-missing', severity: 'warning', cause: `There is no CRL ${which} yet.`, remedy }]
    }
    if (nextUpdate <= now) {
      const cause = `The CRL ${which} ended at ${nextUpdate.toISOString()}: relying parties refuse its certificates.`
      return [{ check: 'crl-expired', severity: 'error', cause, remedy }]
    }
    if (nextPublish === null || now.getTime() - nextPublish.getTime() <= STUCK) return []
    const cause = `The next CRL ${which} was due at ${nextPublish.toISOString()}.`
    return [{ check: 'crl-late', severity: 'warning', cause, remedy }]
  })
}

function endingCertificates({ certificates }: OperationFacts, now: Date): readonly Finding[] {
  return certificates.flatMap(({ kind, name, notAfter }): readonly Finding[] => {
    const { days, what, remedy } = RENEWALS[kind]
    const left = notAfter.getTime() - now.getTime()
    if (left > days * day) return []
    const verb = left <= 0 ? 'ended' : 'ends'
    const severity = left <= 0 ? 'error' : 'warning'
    const cause = `${what} "${name}" ${verb} at ${notAfter.toISOString()}.`
    return [{ check: `${kind}-certificate-${left <= 0 ? 'expired' : 'expiring'}`, severity, cause, remedy }]
  })
}
