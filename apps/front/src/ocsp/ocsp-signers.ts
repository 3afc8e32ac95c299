import { Inject, Injectable } from '@nestjs/common'
import { AppError, type CaId, type Clock } from '@app/core'
import { generateKeyPairOf, signerOf, type Signer } from '@app/keys'
import { CLOCK, LOG, type Logger } from '@app/platform'
import { CertificateStore, internalRequest } from '@app/storage'
import { decodeCertificate } from '@app/x509'
import { SubmissionService } from '../submission/submission.service.js'

/** What signs the answers for one key of a CA now. */
export interface OcspSigner {
  readonly signer: Signer
  /** DER of the responder's certificate, which the key of the CA has signed. */
  readonly certificate: Uint8Array
  readonly notBefore: Date
  readonly notAfter: Date
}

interface Known {
  readonly current?: OcspSigner
  /** The one that is being made; several who need it wait for the same. */
  readonly coming?: Promise<OcspSigner>
  /** After a failure: when to try again. */
  readonly notBefore?: number
}

/** How long an answer waits for a certificate, and how long nobody tries again after a failure, in milliseconds. */
const patience = 10_000
const pause = 5_000

/**
 * The keys of the OCSP responders. They are made here and never leave the memory of this process; their certificates
 * are short, come through the queue like any other, and are renewed at half their time. A process that starts makes new
 * ones.
 */
@Injectable()
export class OcspSigners {
  private readonly known = new Map<string, Known>()

  constructor(
    private readonly submissions: SubmissionService,
    private readonly certificates: CertificateStore,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOG) private readonly log: Logger
  ) {}

  /** The signer for a key of a CA, with at least a minute left. Throws `unavailable` when no certificate comes. */
  async get(caId: CaId, keyIndex: number): Promise<OcspSigner> {
    const name = `${caId}-${keyIndex}`
    const { current, coming, notBefore = 0 } = this.known.get(name) ?? {}
    const now = this.clock.now().getTime()
    const isGood = current !== undefined && current.notAfter.getTime() - now > 60_000
    if (isGood && now < halfOf(current)) return current
    const mayTry = coming === undefined && now >= notBefore
    const next = mayTry ? this.renew(name, caId, keyIndex, isGood ? current : undefined) : coming
    if (isGood) return current
    if (next !== undefined) return next
    throw new AppError('unavailable', `The OCSP responder for key ${name} has no certificate now.`)
  }

  private renew(name: string, caId: CaId, keyIndex: number, current: OcspSigner | undefined): Promise<OcspSigner> {
    const old = current === undefined ? {} : { current }
    const coming = this.enroll(caId, keyIndex)
    this.known.set(name, { ...old, coming })
    coming.then(
      signer => this.known.set(name, { current: signer }),
      (error: unknown) => {
        this.log.error({ key: name, error }, 'The OCSP responder got no certificate.')
        this.known.set(name, { ...old, notBefore: this.clock.now().getTime() + pause })
      }
    )
    return coming
  }

  private async enroll(caId: CaId, keyIndex: number): Promise<OcspSigner> {
    const { privateKey, publicKey } = await generateKeyPairOf('p-256')
    const request = internalRequest({
      caId,
      templateName: 'OCSPResponseSigning',
      publicKey: publicKey.raw,
      keyId: publicKey.keyId,
      requestAttributes: `KeyIndex:${keyIndex}`,
      rowFlags: 0,
      submittedAt: this.clock.now()
    })
    const row = await this.submissions.record(request, patience)
    const issued = await this.certificates.findByRequest(row.id)
    if (issued?.certificate == null) {
      throw new AppError('unavailable', `The OCSP responder got no certificate: ${row.dispositionMessage}.`, {
        state: row.state
      })
    }
    const { notBefore, notAfter } = decodeCertificate(issued.certificate)
    return { signer: signerOf(privateKey), certificate: issued.certificate, notBefore, notAfter }
  }
}

function halfOf({ notBefore, notAfter }: OcspSigner): number {
  return (notBefore.getTime() + notAfter.getTime()) / 2
}
