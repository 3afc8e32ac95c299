import { Controller, Delete, Get, HttpCode, Param, Res } from '@nestjs/common'
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import type { FastifyReply } from 'fastify'
import { CurrentOperator, type AuthenticatedOperator } from '../access/operator.js'
import { uuidParameter } from '../access/page.schemas.js'
import { RequirePermission } from '../access/require-permission.js'
import { digestParameter, registeredListView, type RegisteredListView } from './account-certificates.schemas.js'
import { AccountCertificatesService } from './account-certificates.service.js'

/** What accounts have registered in the directory, for operators. */
@ApiTags('directory')
@Controller('api/v1/directory')
export class AccountCertificatesController {
  constructor(private readonly certificates: AccountCertificatesService) {}

  @Get(':id/certificates')
  @RequirePermission('directory.read')
  @ApiOperation({ summary: 'The registered certificates of an account, for operators' })
  @ApiResponse({ status: 200, standardSchema: registeredListView })
  list(@Param('id', { schema: uuidParameter }) id: string): Promise<RegisteredListView> {
    return this.certificates.list(id)
  }

  @Get(':id/mqusersigncerts')
  @RequirePermission('directory.read')
  @ApiOperation({ summary: 'The registered certificates of an account as MQUSERSIGNCERTS, for operators' })
  async export(@Param('id', { schema: uuidParameter }) id: string, @Res() reply: FastifyReply): Promise<void> {
    const blob = await this.certificates.export(id)
    await reply.header('content-type', 'application/octet-stream').send(Buffer.from(blob))
  }

  @Delete(':id/certificates/:digest')
  @HttpCode(204)
  @RequirePermission('directory.write', { at: 'all' })
  @ApiOperation({ summary: 'Take a certificate from an account' })
  deregister(
    @Param('id', { schema: uuidParameter }) id: string,
    @Param('digest', { schema: digestParameter }) digest: string,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<void> {
    return this.certificates.deregister(id, digest, operator)
  }
}
