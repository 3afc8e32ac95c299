import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Console, readPkcs12, type OperatorRoleName } from '@app/client'
import { AppError } from '@app/core'
import { newAgent } from './administration/agent-actions.js'
import { addPrincipal, issueToken } from './administration/directory-actions.js'
import { openKey } from './client/open-key.js'
import { handOverShare } from './client/recovery-approval.js'
import { fetchPackage } from './client/recovery-fetch.js'
import { askForKey } from './client/recovery-request.js'
import { fingerprintOf } from './client/recipient-keys.js'

const domain = 'EXAMPLE'
const silent = { say: () => undefined, progress: () => undefined }

/** The people of the demonstration who hold agents' keys, with the files. */
const agents = [
  { account: 'kim', name: 'First Agent', file: 'agent1.p12' },
  { account: 'lee', name: 'Second Agent', file: 'agent2.p12' },
  { account: 'max', name: 'Third Agent', file: 'agent3.p12' }
] as const

type Agent = (typeof agents)[number]

/** Where the demonstration is at work. */
export interface Stage {
  readonly url: string
  /** PEM of the root. */
  readonly trust: string
  readonly home: string
  readonly tell: (text: string) => void
}

/** Makes an administrator by the link of the first start, who makes an officer and recovery agents; and the agents' keys. */
export async function appointOperators(stage: Stage, invitation: string): Promise<void> {
  const { url, trust, home, tell } = stage
  await using anybody = new Console({ url, trust })
  await anybody.invitations.redeem({ secret: invitation, account: 'admin', displayName: 'Administrator' })
  await using administrator = await operate(stage, 'admin')
  const appoint = async (accountName: string, role: OperatorRoleName): Promise<void> => {
    await addPrincipal({ accountName, kind: 'user', domain })
    await administrator.operators.grant({ account: `${domain}\\${accountName}`, role })
  }
  await appoint('olga', 'officer')
  for (const { account } of agents) await appoint(account, 'recovery_agent')
  tell('Operators: admin is administrator by the link, olga an officer; kim, lee and max are recovery agents.')
  for (const { name, file, account } of agents) {
    await newAgent({ name, account, out: join(home, file), passwordFile: passwordFileIn(home) })
    tell(`Recovery agent "${name}", whose key ${account} has: ${file}`)
  }
}

const passwordFileIn = (home: string): string => join(home, 'agents.password')

async function operate({ url, trust }: Pick<Stage, 'url' | 'trust'>, account: string): Promise<Console> {
  const token = await issueToken({ account, days: 1, scope: ['console'] })
  if (token === undefined) throw new AppError('internal', `No token was made for ${account}.`)
  return new Console({ url, trust, credentials: { token } })
}

/** The officer asks, two of the three agents hand over their shares, the officer opens the key; it is the original one. */
export async function recoverTogether(stage: Stage, request: number, original: string): Promise<void> {
  const { home, trust, tell } = stage
  await using officer = await operate(stage, 'olga')
  const wanted = { request, reason: 'The laptop is lost', ticket: 'DEMO-1' }
  const { recovery, recipient } = await askForKey(officer, wanted, silent)
  if (recipient === undefined) throw new AppError('internal', 'The key is not one that several agents open together.')
  const { id, account } = recovery
  const sha256 = fingerprintOf(recipient)
  tell(`olga asks for the key of ${account}: recovery ${id}, for a one-time key, fingerprint ${withColons(sha256)}`)
  const [first, , third] = agents
  for (const agent of [first, third]) tell(await approve(stage, id, agent, sha256))

  const file = join(home, `recovery-${id}.pem`)
  if ((await fetchPackage(officer, id, { trust, out: file }, silent)) === undefined) {
    throw new AppError('internal', `Recovery ${id} was not released.`)
  }
  tell(`olga fetches it, once: ${readFileSync(file).length} bytes, verified, recovery-${id}.pem`)
  const out = join(home, 'recovered.p12')
  await openKey(file, { out, outPasswordFile: passwordFileIn(home) }, silent)
  await compare(readFileSync(out), readFileSync(passwordFileIn(home), 'utf8').trim(), original)
  tell('olga opens it with the one-time key: recovered.p12. It is the original key, and that of the certificate.')
}

async function approve(stage: Stage, id: number, agent: Agent, recipientSha256: string): Promise<string> {
  const { home } = stage
  await using console = await operate(stage, agent.account)
  const options = { agent: join(home, agent.file), passwordFile: passwordFileIn(home), recipientSha256 }
  const { given, needed } = (await handOverShare(console, id, options, silent)).approvals
  return `${agent.account} opens the share of "${agent.name}" and encrypts it to that key: ${given} of ${needed} have approved.`
}

async function compare(p12: Uint8Array, password: string, directory: string): Promise<void> {
  const { privateKey, certificate } = await readPkcs12(p12, password)
  const kept = createPrivateKey(readFileSync(join(directory, 'key.pem')))
  const issued = new X509Certificate(readFileSync(join(directory, 'certificate.pem')))
  const isSame = certificate !== undefined && issued.raw.equals(certificate) && issued.checkPrivateKey(privateKey)
  if (isSame && privateKey.equals(kept)) return
  throw new AppError('archived_key_mismatch', 'The recovered key is not the original one.')
}

function withColons(hex: string): string {
  return (hex.toUpperCase().match(/../g) ?? []).join(':')
}
