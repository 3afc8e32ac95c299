import { setTimeout as sleep } from 'node:timers/promises'
import { AppError, type RequestId } from '@app/core'
import { encodePem } from '@app/der'
import { createLogger } from '@app/platform'
import type { Step } from '@app/queue'
import { ExchangeKeyStore, RequestStore, type RequestRow } from '@app/storage'
import { CrlService } from '../../../authority/src/crl/crl.service.js'
import { startRoles, workerRoles, type RunningRoles } from '../roles.js'
import { chooseCa, withAdministration, type Administration } from './administration.js'

const patience = 30_000

/**
 * Works with the roles running in this process, so that it does not matter whether the server runs too: rows are
 * claimed by whoever comes first. Where the configuration leaves out a role, its keys are at another machine, so that it
 * does not run here either.
 */
export async function withRoles<T>(
  administration: Administration,
  work: (roles: RunningRoles) => Promise<T>
): Promise<T> {
  const log = createLogger({ ...administration.installation.config.log, level: 'warn' })
  const { installation } = administration
  const roles = await startRoles(installation, workerRoles(installation.config.roles), log)
  try {
    return await work(roles)
  } finally {
    await roles.stop()
  }
}

/** Signs and stores the next CRL. Returns its number. */
export function publishCrl(caName: string | undefined): Promise<number> {
  return withAdministration(async administration => {
    const ca = await chooseCa(administration.database, caName)
    return withRoles(administration, ({ context }) =>
      context.get(CrlService, { strict: false }).publish(ca.id, administration.actor)
    )
  })
}

/** The exchange certificate of a CA as PEM; made when there is none. */
export function exchangeCertificate(caName: string | undefined): Promise<string> {
  return withAdministration(async administration => {
    const { database, clock } = administration
    const ca = await chooseCa(database, caName)
    const keys = new ExchangeKeyStore(database.dataSource)
    return withRoles(administration, async ({ runtime }) => {
      const deadline = Date.now() + patience
      for (;;) {
        const current = await keys.findCurrent(ca.id, clock.now())
        if (current?.certificate != null) return encodePem('CERTIFICATE', current.certificate)
        if (Date.now() > deadline) throw new AppError('unavailable', 'No exchange certificate was made in time.')
        runtime.wakeups.nudge('exchange-keys')
        await sleep(100)
      }
    })
  })
}

/** Wakes a step and waits until a request is in one of the states. Throws `unavailable` when it does not get there. */
export async function waitForState(
  { runtime }: RunningRoles,
  requests: RequestStore,
  wanted: { readonly id: RequestId; readonly step: Step; readonly states: readonly RequestRow['state'][] }
): Promise<RequestRow> {
  const deadline = Date.now() + patience
  for (;;) {
    runtime.wakeups.nudge(wanted.step)
    await runtime.steps.idle()
    const row = await requests.get(wanted.id)
    if (wanted.states.includes(row.state)) return row
    if (Date.now() > deadline) {
      throw new AppError(
        'unavailable',
        `Request ${wanted.id} is still ${row.state}: ${row.failureMessage ?? row.dispositionMessage}`
      )
    }
    await sleep(50)
  }
}
