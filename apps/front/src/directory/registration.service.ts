import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import { AppError, equalBytes, fromBase64, toBase64, toHex, type Clock } from '@app/core'
import {
  checkRegistrationCall,
  registrationHresult,
  requireDomainAccount,
  userCertDigest,
  verifyCertificatePossession,
  type CheckedCall,
  type RegistrationCode
} from '@app/directory'
import { CLOCK, CONFIG, type Config } from '@app/platform'
import { RegisteredCertificateStore, type NewRegisteredCertificate } from '@app/storage'
import { decodeCertificate, formatName, type Certificate } from '@app/x509'
import { requireScope } from '../enrollment/access.js'
import type { AuthenticatedRequester } from '../requester/requester.js'
import { withDirectory } from './directory-errors.js'
import type { NonceView, RegisterBody, RegistrationView } from './directory.schemas.js'
import { InternalIssuance } from './internal-issuance.js'

/** A registration as the route takes it. */
export interface RegistrationRequest {
  readonly body: RegisterBody
  readonly requester: AuthenticatedRequester
  /** The version that the list must have, of If-Match. */
  readonly version?: number | undefined
  readonly idempotencyKey?: string
}

const NONCE_MINUTES = 10
/** The machine of callers that name none. */
const ANY_MACHINE = '00000000-0000-0000-0000-000000000000'

/** MQRegisterCertificate (MC-MQAC 3.2.4.2.1): the checks in their order, then one change of the caller's own list. */
@Injectable()
export class RegistrationService {
  constructor(
    private readonly registered: RegisteredCertificateStore,
    private readonly issuance: InternalIssuance,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config
  ) {}

  /** Registers. Whether there was something to do says the code. */
  async register(request: RegistrationRequest): Promise<RegistrationView> {
    const { body, requester } = request
    requireScope(requester, 'enroll')
    // 1. The parameters; 2. a directory; 3. an account in it.
    const call = checkRegistrationCall({ flags: body.flags, certificate: decodeDer(body.certificate, 'certificate') })
    const { sid, kind } = requester.principal
    requireDomainAccount({ account: requester.name, sid, kind, workgroup: this.config.directory.workgroup })
    // 4. From here on the directory may fail.
    return withDirectory(() => (call.kind === 'internal' ? this.internal(call, request) : this.external(call, request)))
  }

  /** A nonce that a proof of possession must cover, for the caller alone and once. */
  async challenge({ principal }: AuthenticatedRequester): Promise<NonceView> {
    const now = this.clock.now()
    const nonce = randomBytes(24).toString('base64url')
    const expiresAt = new Date(now.getTime() + NONCE_MINUTES * 60_000)
    await this.registered.addNonce(hashOf(nonce), principal.id, expiresAt, now)
    return { nonce, expiresAt: expiresAt.toISOString() }
  }

  private async external(
    { certificate }: CheckedCall & { kind: 'external' },
    request: RegistrationRequest
  ): Promise<RegistrationView> {
    await this.requirePossession(certificate, request)
    return this.add(request, certificate, null)
  }

  private async internal(
    { flag }: CheckedCall & { kind: 'internal' },
    request: RegistrationRequest
  ): Promise<RegistrationView> {
    const { body, requester } = request
    const principalId = requester.principal.id
    const machineId = body.machineId?.toLowerCase() ?? ANY_MACHINE
    // 6. What the machine itself knows decides, whatever the directory has by now.
    const known = await this.registered.findInternal(principalId, machineId)
    if (flag === 'MQCERT_REGISTER_IF_NOT_EXIST' && known !== undefined) {
      return viewOf('MQ_INFORMATION_INTERNAL_USER_CERT_EXIST', known.identifier, known.certificate)
    }
    const csr = decodeDer(body.csr, 'csr')
    if (csr === undefined) throw invalid('An internal certificate needs a csr: the PKCS#10 of the key in your store.')
    // Before anything is made or deleted: can the list be written at all?
    // The same call again, by its key, finds the list changed by itself.
    const seen = request.idempotencyKey === undefined ? request.version : undefined
    const terms = { most: this.config.directory.certificatesPerUser, version: seen }
    await this.registered.probe(principalId, machineId, terms)
    const issued = await this.issuance.issue(requester, csr, request.idempotencyKey)
    const repeated = await this.registered.find(principalId, userCertDigest(issued))
    if (repeated !== undefined && equalBytes(repeated.certificate, issued)) {
      return viewOf('MQ_OK', repeated.identifier, repeated.certificate)
    }
    return this.add(request, decodeCertificate(issued), machineId)
  }

  private async add(
    { requester, version }: RegistrationRequest,
    certificate: Certificate,
    machineId: string | null
  ): Promise<RegistrationView> {
    const row: NewRegisteredCertificate = {
      identifier: randomUUID(),
      principalId: requester.principal.id,
      kind: machineId === null ? 'external' : 'internal',
      machineId,
      certificate: certificate.raw,
      subject: formatName(certificate.subject),
      notBefore: certificate.notBefore,
      notAfter: certificate.notAfter,
      registeredAt: this.clock.now()
    }
    const terms = { most: this.config.directory.certificatesPerUser, version }
    await this.registered.register(row, terms, { actor: requester.name })
    return viewOf('MQ_OK', row.identifier, row.certificate)
  }

  /** Where the settings ask for it, and wherever a proof is given: then it must be right. */
  private async requirePossession(certificate: Certificate, { body, requester }: RegistrationRequest): Promise<void> {
    const { proof } = body
    if (proof === undefined) {
      if (!this.config.directory.requirePossession) return
      throw new AppError('proof_of_possession_missing', 'An external certificate needs a proof of possession here.')
    }
    const { id, sid } = requester.principal
    if (!(await this.registered.useNonce(hashOf(proof.nonce), id, this.clock.now()))) {
      throw new AppError('proof_of_possession_invalid', 'The nonce is not yours, used or too old; ask for another.')
    }
    const claim = { sid, certificate: certificate.raw, nonce: proof.nonce }
    verifyCertificatePossession(claim, certificate.publicKey.raw, fromBase64(proof.signature) ?? Buffer.alloc(0))
  }
}

function viewOf(code: RegistrationCode, identifier: string, certificate: Uint8Array): RegistrationView {
  return {
    hresult: registrationHresult(code),
    code,
    severity: code === 'MQ_OK' ? 'success' : 'information',
    digest: toHex(userCertDigest(certificate)),
    identifier,
    certificate: toBase64(certificate)
  }
}

function decodeDer(text: string | undefined, member: string): Uint8Array | undefined {
  if (text === undefined) return undefined
  const bytes = fromBase64(text)
  if (bytes !== undefined) return bytes
  throw invalid(`${member} is not DER in base64; PEM is not taken.`)
}

function invalid(message: string): AppError {
  return new AppError('MQ_ERROR_INVALID_PARAMETER', message)
}

function hashOf(nonce: string): Uint8Array {
  return createHash('sha256').update(nonce).digest()
}
