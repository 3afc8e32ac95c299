import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CR_DISP_ISSUED,
  CR_IN_CMC,
  Enrollment,
  FR_PROP_FULLRESPONSE,
  makeRecoveryRecipient,
  type CertRequest,
  type Console
} from '@app/client'
import { DISPOSITIONS, isAppError, systemClock, toHex } from '@app/core'
import { transferPart } from '@app/escrow'
import { decrypterOf } from '@app/keys'
import { decodeCertificate, decodeCrl, decodeCrlNumber, findExtension, type CertificateList } from '@app/x509'
import { OID } from '@app/oid'
import { freshEntropy, rsaNumbersFrom, rsaPkcs8, somePrime } from '../helpers/escrow-samples.js'
import { pkcs10Request } from '../helpers/plain-requests.js'
import { openPackage, type AgentHolder } from '../helpers/recoveries.js'
import type { TestPrincipal } from '../helpers/server.js'
import type { SeededRandom } from './random.js'
import type { World } from './world.js'

/** What a client keeps of a certificate that it has. */
interface Held {
  readonly requestId: number
  readonly serial: string
  readonly owner: TestPrincipal
  /** Of an archived key. */
  readonly privateKey?: KeyObject
}

/** Answers after which the same call may succeed: there was none, or the server could not do it now. */
const PASSING = ['server_unreachable', 'unavailable', 'internal', 'rate_limited'] as const

const UNRESOLVED: ReadonlySet<number> = new Set([DISPOSITIONS.incomplete, DISPOSITIONS.under_submission])

/** Many keys of few primes: two of them make a key, which costs less than two of its own. */
function archivableKeys(primes: number): readonly KeyObject[] {
  const made = Array.from({ length: primes }, () => somePrime(1024))
  return made.flatMap((p, index) =>
    made.slice(index + 1).map(q => {
      const pkcs8 = Buffer.from(rsaPkcs8(rsaNumbersFrom(p, q)))
      return createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
    })
  )
}

/** Clients that do what clients do, over and over, and try again what was not answered. */
export class Clients {
  readonly keys = archivableKeys(12)
  private readonly archived: Held[] = []
  private readonly plain: Held[] = []
  private readonly kept: { readonly requestId: number; readonly owner: TestPrincipal }[] = []
  private operations = 0
  private nextKey = 0
  private giveUpAt = Infinity

  constructor(
    private readonly world: Pick<World, 'server' | 'people' | 'history' | 'connect' | 'operate' | 'fronts'>,
    private readonly random: SeededRandom
  ) {}

  /** Operations that came to their end. */
  get count(): number {
    return this.operations
  }

  /** From now on what has not come to its end by that time never will. */
  endBy(time: number): void {
    this.giveUpAt = time
  }

  /** Works with so many clients at a time until the time is over, and lets each end what it is at. */
  async run(clients: number, until: () => boolean): Promise<void> {
    const loops = Array.from({ length: clients }, (_, index) => this.loop(index, this.random.fork(), until))
    await Promise.all([...loops, this.watchCrls(until)])
  }

  private async loop(index: number, random: SeededRandom, until: () => boolean): Promise<void> {
    while (!until()) {
      const choice = random.weighted([
        { weight: 5, name: 'archived enrollment', work: () => this.enrollArchived(index, random) },
        { weight: 3, name: 'plain enrollment', work: () => this.enrollPlain(index, random) },
        { weight: 3, name: 'decided enrollment', work: () => this.enrollDecided(index, random) },
        { weight: 1, name: 'revocation', work: () => this.revoke(random) },
        { weight: 1, name: 'recovery', work: () => this.recover(random) },
        { weight: 2, name: 'look', work: () => this.lookAgain(random) }
      ])
      try {
        await choice.work()
        this.operations++
      } catch (error) {
        const why =
          error instanceof Error ? `${isAppError(error) ? error.code : error.name}: ${error.message}` : String(error)
        this.world.history.add({ op: 'stuck', what: choice.name, why })
      }
    }
  }

  /** Does a call until it is answered. Throws the answer that says no. */
  private async persist<T>(call: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await call()
      } catch (error) {
        const isPassing = PASSING.some(code => isAppError(error, code))
        if (!isPassing || performance.now() > this.giveUpAt) throw error
        await sleep(200)
      }
    }
  }

  private connect(owner: TestPrincipal, random: SeededRandom): CertRequest {
    return this.world.connect(owner, random.between(0, 1))
  }

  private async enrollArchived(index: number, random: SeededRandom): Promise<void> {
    const { users } = this.world.people
    const owner = users[index % users.length] as TestPrincipal
    // A key is one person's.
    const own = this.keys.filter((_, place) => place % users.length === index % users.length)
    const privateKey = random.pick(own)
    await using client = this.connect(owner, random)
    const exchange = await this.persist(() => client.getCACertificate({ exchange: true }))
    const enrollment = new Enrollment({
      privateKeyArchiveCertificate: exchange,
      trust: this.world.server.root,
      key: { privateKey }
    })
    const request = await enrollment.createRequest({ type: 'cmc', template: { name: 'UserEncryption' } })
    const held = await this.enroll(client, enrollment, { request, owner, flags: CR_IN_CMC, archival: true })
    if (held !== undefined) this.archived.push({ ...held, privateKey })
  }

  private async enrollPlain(index: number, random: SeededRandom): Promise<void> {
    const { users } = this.world.people
    const owner = users[index % users.length] as TestPrincipal
    await using client = this.connect(owner, random)
    const enrollment = new Enrollment({ trust: this.world.server.root, key: { algorithm: 'p-256' } })
    const request = await enrollment.createRequest({ type: 'cmc', template: { name: 'UserSignature' } })
    const held = await this.enroll(client, enrollment, { request, owner, flags: CR_IN_CMC, archival: false })
    if (held !== undefined) this.plain.push(held)
  }

  private async enroll(
    client: CertRequest,
    enrollment: Enrollment,
    order: {
      readonly request: Uint8Array
      readonly owner: TestPrincipal
      readonly flags: number
      readonly archival: boolean
    }
  ): Promise<Held | undefined> {
    await this.submit(client, order)
    const { requestId } = client
    if ((await this.outcome(client)) !== CR_DISP_ISSUED) {
      throw new Error(`Request ${requestId} became ${client.status.dispositionName}: ${client.dispositionMessage}`)
    }
    const response = await this.persist(() => client.getFullResponseProperty(FR_PROP_FULLRESPONSE))
    const { certificate } = await enrollment.acceptResponse(response)
    this.accepted(requestId, response, certificate)
    const serial = toHex(decodeCertificate(certificate).serialNumber)
    return { requestId, serial, owner: order.owner }
  }

  /** Submits under a key of its own, and sometimes again, as who has lost the answer. */
  private async submit(
    client: CertRequest,
    {
      request,
      owner,
      flags,
      archival
    }: {
      readonly request: Uint8Array
      readonly owner: TestPrincipal
      readonly flags: number
      readonly archival: boolean
    }
  ): Promise<void> {
    const key = `fault-${this.nextKey++}`
    const times = this.random.next() < 0.3 ? 2 : 1
    for (let time = 0; time < times; time++) {
      const options = { flags, idempotencyKey: key, wait: 5 }
      const disposition = await this.persist(() => client.submit(request, options))
      this.world.history.add({ op: 'submit', requestId: client.requestId, key, disposition, archival })
    }
    this.kept.push({ requestId: client.requestId, owner })
  }

  /** Waits until a request is resolved. Throws when that takes longer than anything may. */
  private async outcome(client: CertRequest): Promise<number> {
    const { requestId } = client
    let { disposition } = client.status
    while (UNRESOLVED.has(disposition)) {
      if (performance.now() > this.giveUpAt) throw new Error(`Request ${requestId} is not resolved in its time.`)
      disposition = await this.persist(() => client.retrievePending(requestId, { wait: 3 }))
    }
    this.world.history.add({ op: 'retrieve', requestId, disposition })
    return disposition
  }

  private accepted(requestId: number, response: Uint8Array, certificate: Uint8Array): void {
    const { history } = this.world
    history.add({ op: 'response', requestId, disposition: CR_DISP_ISSUED, digest: digestOf(response) })
    const decoded = decodeCertificate(certificate)
    const [serial, publicKey] = [toHex(decoded.serialNumber), toHex(decoded.publicKey.raw)]
    history.add({ op: 'accept', requestId, serial, sha256: digestOf(certificate), publicKey })
  }

  /** A request that waits for officers, who do not always agree, while its sender may change its mind. */
  private async enrollDecided(index: number, random: SeededRandom): Promise<void> {
    const { computers, officers } = this.world.people
    const owner = computers[index % computers.length] as TestPrincipal
    const name = owner.row.dnsName ?? 'www.example.org'
    await using client = this.connect(owner, random)
    const request = await pkcs10Request({ template: 'WebServer', subject: `CN=${name}`, dnsNames: [name] })
    await this.submit(client, { request, owner, flags: 0, archival: false })
    const { requestId } = client
    const approve = () => this.decide(random.pick(officers), requestId, 'approve')
    const deny = () => this.decide(random.pick(officers), requestId, 'deny')
    const withdraw = () => this.withdraw(owner, requestId, random)
    const ways = [[approve], [approve], [deny], [approve, deny], [approve, withdraw], [approve, deny, withdraw]]
    await Promise.all(random.pick(ways).map(way => way()))
    // Who decides before the request has been evaluated is told that it does not wait for that.
    const isUndecided = () => client.status.disposition === DISPOSITIONS.under_submission
    while (isUndecided() && performance.now() < this.giveUpAt) {
      await this.persist(() => client.retrievePending(requestId, { wait: 1 }))
      if (isUndecided()) await approve()
    }
    const disposition = await this.outcome(client)
    const response = await this.persist(() => client.getFullResponse())
    if (disposition === CR_DISP_ISSUED) {
      this.accepted(requestId, response, await this.persist(() => client.getCertificate()))
    } else {
      this.world.history.add({ op: 'response', requestId, disposition, digest: digestOf(response) })
    }
  }

  private async decide(officer: TestPrincipal, requestId: number, verdict: 'approve' | 'deny'): Promise<void> {
    await using console = this.world.operate(officer)
    const { queue } = console
    const call = () => (verdict === 'approve' ? queue.approve(requestId) : queue.deny(requestId, 'Not now.'))
    const outcome = await this.isDone(call, ['conflict', 'precondition_failed'])
    this.world.history.add({ op: 'decide', requestId, verdict, outcome })
  }

  private async withdraw(owner: TestPrincipal, requestId: number, random: SeededRandom): Promise<void> {
    await using client = this.connect(owner, random)
    const outcome = await this.isDone(() => client.withdraw(requestId), ['conflict'])
    this.world.history.add({ op: 'decide', requestId, verdict: 'withdraw', outcome })
  }

  /** A call that was not answered may have been done all the same; who does it again is told that it cannot be done. */
  private async isDone(
    call: () => Promise<unknown>,
    codes: readonly Parameters<typeof isAppError>[1][]
  ): Promise<'done' | 'conflict'> {
    try {
      await this.persist(call)
      return 'done'
    } catch (error) {
      if (codes.some(code => isAppError(error, code))) return 'conflict'
      throw error
    }
  }

  private async revoke(random: SeededRandom): Promise<void> {
    if (this.plain.length < 3) return
    const [held] = this.plain.splice(random.between(0, this.plain.length - 1), 1)
    if (held === undefined) return
    await using console = this.world.operate(random.pick(this.world.people.officers))
    const outcome = await this.isDone(
      () => console.certificates.revoke(held.serial, { reason: 'keyCompromise' }),
      ['revocation_state']
    )
    this.world.history.add({ op: 'revoke', serial: held.serial, outcome })
  }

  /** The whole of a recovery, by an officer and two of the agents. */
  private async recover(random: SeededRandom): Promise<void> {
    if (this.archived.length === 0) return
    const { requestId, privateKey } = random.pick(this.archived)
    const { history, people } = this.world
    const officer = random.pick(people.officers)
    const recipient = await makeRecoveryRecipient({
      name: 'Recipient',
      validitySeconds: 86_400,
      clock: systemClock,
      entropy: freshEntropy
    })
    await using console = this.world.operate(officer)
    const id = await this.requestRecovery(console, requestId, recipient.certificate)
    const holders = people.holders.toSorted(() => random.next() - 0.5).slice(0, 2)
    for (const holder of holders)
      await this.isDone(() => this.approveRecovery(holder, id), ['approver_excluded', 'conflict'])
    const outcome = await this.isDone(() => console.recoveries.release(id), ['conflict'])
    history.add({ op: 'release', recoveryId: id, outcome })
    for (let time = 0; time < 2; time++) {
      const sealed = await this.persist(() => console.recoveries.package(id))
      history.add({ op: 'package', recoveryId: id, requestId, digest: digestOf(sealed.package) })
      const opened = await openPackage(sealed, recipient)
      const isSame = opened === toHex((privateKey as KeyObject).export({ format: 'der', type: 'pkcs8' }))
      history.add({ op: 'recovered', recoveryId: id, requestId, isSame })
    }
  }

  /** Who has heard nothing looks for the recovery by its ticket before asking for another. */
  private async requestRecovery(console: Console, requestId: number, recipient: Uint8Array): Promise<number> {
    const ticket = `T-${this.nextKey++}`
    const wanted = { key: { request: requestId }, reason: 'The card is lost.', ticket, recipient }
    return this.persist(async () => {
      const { items } = await console.recoveries.list({ limit: 100 })
      const found = items.find(item => item.ticket === ticket)
      return found?.id ?? (await console.recoveries.request(wanted)).id
    })
  }

  private async approveRecovery(holder: AgentHolder, id: number): Promise<void> {
    await using console = this.world.operate(holder.person)
    const { held, recipient } = await this.persist(() => console.recoveries.share(id))
    if (held === undefined || recipient === undefined) throw new Error(`Recovery ${id} gives no share.`)
    const share = await transferPart({
      held,
      decrypter: decrypterOf(holder.privateKey),
      successor: decodeCertificate(recipient),
      entropy: freshEntropy
    })
    await this.persist(() => console.recoveries.approve(id, { share }))
  }

  /** What was answered once is answered the same again. */
  private async lookAgain(random: SeededRandom): Promise<void> {
    if (this.kept.length === 0) return
    const { requestId, owner } = random.pick(this.kept)
    await using client = this.connect(owner, random)
    const disposition = await this.persist(() => client.retrievePending(requestId))
    this.world.history.add({ op: 'retrieve', requestId, disposition })
    if (UNRESOLVED.has(disposition)) return
    const response = await this.persist(() => client.getFullResponse())
    this.world.history.add({ op: 'response', requestId, disposition, digest: digestOf(response) })
  }

  /** Somebody who fetches the CRL from each front, over and over. */
  private async watchCrls(until: () => boolean): Promise<void> {
    const newest = new Map<string, string>()
    while (!until()) {
      for (const { http: front } of this.world.fronts()) {
        const bytes = await fetchCrl(front)
        if (bytes === undefined || newest.get(front) === digestOf(bytes)) continue
        newest.set(front, digestOf(bytes))
        const crl = decodeCrl(bytes)
        const serials = crl.entries.map(({ serialNumber }) => toHex(serialNumber))
        this.world.history.add({ op: 'crl', front, number: numberOf(crl), serials })
      }
      await sleep(300)
    }
  }
}

/** The newest CRL of the first CA; undefined while the front is down or has none. */
async function fetchCrl(front: string): Promise<Uint8Array | undefined> {
  try {
    const answer = await fetch(`${front}/crl/1`, { signal: AbortSignal.timeout(2000) })
    return answer.ok ? new Uint8Array(await answer.arrayBuffer()) : undefined
  } catch {
    return undefined
  }
}

function numberOf(crl: CertificateList): number {
  const value = findExtension(crl, OID.id_ce_cRLNumber)?.value
  return value === undefined ? 0 : Number(decodeCrlNumber(value))
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** SubjectPublicKeyInfo of a private key, hexadecimal. */
export function publicHalf(privateKey: KeyObject): string {
  return createPublicKey(privateKey).export({ type: 'spki', format: 'der' }).toString('hex')
}
