import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { asPrincipalId } from '@app/core'
import type { OperatorRole } from '@app/policy'
import { openDatabase, PrincipalStore, RoleStore, type ConnectionSettings } from '@app/storage'

const because = { actor: 'bench' }

/** Adds an account with a role for every CA and a token for the console, and gives the token. */
export async function addOperator(owner: ConnectionSettings, role: OperatorRole): Promise<string> {
  const database = await openDatabase({ ...owner, poolSize: 1 })
  try {
    const principals = new PrincipalStore(database.dataSource)
    const now = new Date()
    const id = asPrincipalId(randomUUID())
    const accountName = `${role}-${id.slice(0, 8)}`
    const names = { displayName: accountName, distinguishedName: null, upn: null, mail: null, dnsName: null }
    const account = { id, kind: 'user' as const, sid: `S-1-5-21-9-9-9-${randomBytes(4).readUInt32BE()}`, accountName }
    await principals.add({ ...account, ...names, domain: 'EXAMPLE', groupNames: [], createdAt: now }, because)
    await new RoleStore(database.dataSource).grant(id, { role, caId: null, scope: null }, because, now)
    const token = `ckt_${randomBytes(32).toString('base64url')}`
    const tokenHash = createHash('sha256').update(token).digest()
    const expiresAt = new Date(now.getTime() + 86_400_000)
    const credential = { id: randomUUID(), principalId: id, label: 'bench', scopes: ['console'], caId: null }
    await principals.addCredential({ ...credential, tokenHash, expiresAt, createdAt: now }, because)
    return token
  } finally {
    await database.close()
  }
}
