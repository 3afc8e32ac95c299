import type { Clock } from '@app/core'
import type { Config, Logger } from '@app/platform'
import { AuditLog } from '@app/storage'
import type { RunningRoles } from './roles.js'

/** What tells the audit log of the beginning and the end of the role that signs. */
export interface LifeRecord {
  /** Throws when it cannot be recorded: what does not leave a trace does not start. */
  started(): Promise<void>
  /** Never throws; a process that is to end ends. */
  stopped(): Promise<void>
}

/** For a process with the role `authority`; of any other nothing is recorded. */
export function lifeRecordOf({ context, runtime }: RunningRoles, log: Logger): LifeRecord {
  const { config, clock } = runtime
  if (!config.roles.includes('authority')) return { started: nothing, stopped: nothing }
  const audit = context.get(AuditLog, { strict: false })
  return {
    started: () => audit.append([eventOf('started', config, clock)]),
    stopped: async () => {
      try {
        await audit.append([eventOf('stopped', config, clock)])
      } catch (error) {
        log.warn({ error }, 'The end of the server is not recorded in the audit log.')
      }
    }
  }
}

const nothing = (): Promise<void> => Promise.resolve()

function eventOf(verb: 'started' | 'stopped', { roles }: Config, clock: Clock): Parameters<AuditLog['append']>[0][0] {
  return {
    at: clock.now(),
    actor: 'role:authority',
    action: `installation.${verb}`,
    objectType: 'installation',
    objectId: 'authority',
    outcome: 'success',
    detail: { roles: [...roles], process: process.pid }
  }
}
