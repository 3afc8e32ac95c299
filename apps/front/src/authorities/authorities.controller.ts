import { Controller, Get, Inject, Headers, Param, Query, Res, UseGuards } from '@nestjs/common'
import { ApiBearerAuth, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import { toBase64, type Clock } from '@app/core'
import { AnswersBytes, CLOCK } from '@app/platform'
import type { CaRow } from '@app/storage'
import {
  caParameter,
  encodingName,
  indexQuery,
  propertyParameter,
  propertyView,
  type PropertyView
} from '../enrollment/enrollment.schemas.js'
import { RequesterGuard } from '../requester/requester.guard.js'
import { CurrentRequester, type AuthenticatedRequester } from '../requester/requester.js'
import { CaProperties } from './ca-properties.js'
import { ExchangeCertificates } from './exchange-certificates.js'
import { AuthoritiesService } from './authorities.service.js'
import { CERTIFICATE_TYPES, encodingOf, sendCertificates } from './encoding.js'

const certificateQuery = z.object({
  exchange: z.stringbool().default(false),
  chain: z.stringbool().default(false),
  format: encodingName.optional()
})

const caView = z.object({
  name: z.string(),
  sanitizedName: z.string(),
  kind: z.enum(['root', 'subordinate']),
  certificates: z
    .array(z.string())
    .describe(
      'The CA certificate and all above it, then what leads to them from an older root; base64 of the DER each.'
    ),
  templates: z
    .array(z.object({ name: z.string(), oid: z.string(), archival: z.boolean() }))
    .describe('What it offers; `archival` templates demand the private key, the others refuse it.')
})

/** What clients may know of the CAs. */
@ApiTags('cas')
@ApiBearerAuth()
@UseGuards(RequesterGuard)
@Controller('api/v1/cas')
export class AuthoritiesController {
  constructor(
    private readonly authorities: AuthoritiesService,
    private readonly exchangeCertificates: ExchangeCertificates,
    private readonly properties: CaProperties,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  @Get()
  @ApiOperation({ summary: 'The certification authorities' })
  @ApiResponse({ status: 200, standardSchema: z.object({ items: z.array(caView) }) })
  async list(@CurrentRequester() requester: AuthenticatedRequester): Promise<{ items: z.infer<typeof caView>[] }> {
    const { credential } = requester
    const cas = (await this.authorities.list()).filter(ca => (credential?.caId ?? ca.id) === ca.id)
    return { items: await Promise.all(cas.map(ca => this.view(ca))) }
  }

  @Get(':ca')
  @ApiOperation({ summary: 'One certification authority' })
  @ApiResponse({ status: 200, standardSchema: caView })
  async show(
    @Param('ca', { schema: caParameter }) name: string,
    @CurrentRequester() requester: AuthenticatedRequester
  ): Promise<z.infer<typeof caView>> {
    return this.view(await this.authorities.get(name, requester))
  }

  @Get(':ca/certificate')
  @ApiOperation({ summary: 'Its certificate or exchange certificate (GetCACertificate)' })
  @AnswersBytes(...CERTIFICATE_TYPES)
  async certificate(
    @Param('ca', { schema: caParameter }) name: string,
    @Query({ schema: certificateQuery }) query: z.infer<typeof certificateQuery>,
    @Headers('accept') accept: string | undefined,
    @CurrentRequester() requester: AuthenticatedRequester,
    @Res() reply: FastifyReply
  ): Promise<void> {
    const ca = await this.authorities.get(name, requester)
    const chain = await this.authorities.chainOf(ca)
    const known = [...chain, ...(await this.authorities.crossCertificatesOf(ca))]
    const wanted = query.exchange ? [await this.exchangeCertificates.current(ca), ...known] : known
    await sendCertificates(reply, query.chain ? wanted : wanted.slice(0, 1), query.format ?? encodingOf(accept))
  }

  @Get(':ca/properties/:property')
  @ApiOperation({ summary: 'A property of the CA (GetCAProperty)' })
  @ApiResponse({ status: 200, standardSchema: propertyView })
  async property(
    @Param('ca', { schema: caParameter }) name: string,
    @Param('property', { schema: propertyParameter }) property: string,
    @Query({ schema: indexQuery }) query: z.infer<typeof indexQuery>,
    @CurrentRequester() requester: AuthenticatedRequester
  ): Promise<PropertyView> {
    const ca = await this.authorities.get(name, requester)
    return this.properties.get(ca, property, query.index, this.clock.now())
  }

  private async view(ca: CaRow): Promise<z.infer<typeof caView>> {
    const known = [...(await this.authorities.chainOf(ca)), ...(await this.authorities.crossCertificatesOf(ca))]
    const templates = await this.authorities.templatesOf(ca)
    return {
      name: ca.name,
      sanitizedName: ca.sanitizedName,
      kind: ca.kind,
      certificates: known.map(toBase64),
      templates: templates.map(({ name, oid, archival }) => ({ name, oid, archival }))
    }
  }
}
