import { Controller, Get, Query, UseGuards } from '@nestjs/common'
import { ApiBearerAuth, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import { RequesterGuard } from '../requester/requester.guard.js'
import { mailCertificatesView, mailQuery, type MailCertificatesView, type MailQuery } from './directory.schemas.js'
import { MailCertificates } from './mail-certificates.service.js'

/** What senders of encrypted mail ask the directory. */
@ApiTags('directory')
@ApiBearerAuth()
@UseGuards(RequesterGuard)
@Controller('api/v1/directory/encryption-certificates')
export class MailCertificatesController {
  constructor(private readonly mail: MailCertificates) {}

  @Get()
  @ApiOperation({ summary: 'The certificate to which mail for an address is encrypted now, with history if asked' })
  @ApiResponse({ status: 200, standardSchema: mailCertificatesView })
  find(@Query({ schema: mailQuery }) { mail, history }: MailQuery): Promise<MailCertificatesView> {
    return this.mail.find(mail, history)
  }
}
