import { Body, Controller, Get, Headers, HttpCode, Param, Post, Query, Res } from '@nestjs/common'
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import type { FastifyReply } from 'fastify'
import { ChangesEntity, TellsEntityTag, versionDemanded } from '../access/entity-tag.js'
import { CurrentOperator, type AuthenticatedOperator } from '../access/operator.js'
import { RequirePermission } from '../access/require-permission.js'
import { CertificateContents } from './certificate-contents.js'
import {
  certificateDetail,
  certificateQuery,
  certificatesQuery,
  certificatesView,
  contentQuery,
  releaseBody,
  revocationBody,
  serialParameter,
  type CertificateDetail,
  type CertificateQuery,
  type CertificatesQuery,
  type CertificatesView,
  type ContentQuery,
  type ReleaseBody,
  type RevocationBody
} from './certificates.schemas.js'
import { CertificatesService } from './certificates.service.js'
import { RevocationsService } from './revocations.service.js'
import { AnswersBytes } from '@app/platform'

/** Issued certificates: finding, reading, revoking and releasing them. */
@ApiTags('certificates')
@Controller('api/v1/certificates')
export class CertificatesController {
  constructor(
    private readonly certificates: CertificatesService,
    private readonly contents: CertificateContents,
    private readonly revocations: RevocationsService
  ) {}

  @Get()
  @RequirePermission('certificate.read')
  @ApiOperation({ summary: 'Issued certificates' })
  @ApiResponse({ status: 200, standardSchema: certificatesView })
  list(
    @Query({ schema: certificatesQuery }) query: CertificatesQuery,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<CertificatesView> {
    return this.certificates.list(query, operator)
  }

  @Get(':serial')
  @TellsEntityTag()
  @RequirePermission('certificate.read')
  @ApiOperation({ summary: 'One certificate, decoded' })
  @ApiResponse({ status: 200, standardSchema: certificateDetail })
  show(
    @Param('serial', { schema: serialParameter }) serial: string,
    @Query({ schema: certificateQuery }) { ca }: CertificateQuery,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<CertificateDetail> {
    return this.certificates.show(serial, ca, operator)
  }

  @Get(':serial/content')
  @RequirePermission('certificate.read')
  @ApiOperation({ summary: 'One certificate as a file' })
  @AnswersBytes('application/x-pem-file', 'application/pkix-cert', 'application/x-pkcs7-certificates')
  async content(
    @Param('serial', { schema: serialParameter }) serial: string,
    @Query({ schema: contentQuery }) { ca, format }: ContentQuery,
    @CurrentOperator() operator: AuthenticatedOperator,
    @Res() reply: FastifyReply
  ): Promise<void> {
    const { type, body } = await this.contents.fileOf(await this.certificates.get(serial, ca, operator), format)
    await reply.type(type).send(typeof body === 'string' ? body : Buffer.from(body))
  }

  @Post(':serial/revoke')
  @HttpCode(200)
  @ChangesEntity()
  @RequirePermission('certificate.revoke')
  @ApiOperation({ summary: 'Revoke a certificate, or put it on hold (ICertAdmin::RevokeCertificate)' })
  @ApiResponse({ status: 200, standardSchema: certificateDetail })
  revoke(
    @Param('serial', { schema: serialParameter }) serial: string,
    @Query({ schema: certificateQuery }) { ca }: CertificateQuery,
    @Body({ schema: revocationBody }) body: RevocationBody,
    @Headers('if-match') ifMatch: string | undefined,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<CertificateDetail> {
    return this.revocations.revoke({ serial, ca, version: versionDemanded(ifMatch) }, body, operator)
  }

  @Post(':serial/unrevoke')
  @HttpCode(200)
  @ChangesEntity()
  @RequirePermission('certificate.revoke')
  @ApiOperation({ summary: 'Take a certificate off hold' })
  @ApiResponse({ status: 200, standardSchema: certificateDetail })
  release(
    @Param('serial', { schema: serialParameter }) serial: string,
    @Query({ schema: certificateQuery }) { ca }: CertificateQuery,
    @Body({ schema: releaseBody }) body: ReleaseBody,
    @Headers('if-match') ifMatch: string | undefined,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<CertificateDetail> {
    return this.revocations.release({ serial, ca, version: versionDemanded(ifMatch) }, body, operator)
  }
}
