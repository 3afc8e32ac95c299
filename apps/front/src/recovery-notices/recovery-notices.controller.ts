import { Controller, Get, Query, UseGuards } from '@nestjs/common'
import { ApiBearerAuth, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import { requireScope } from '../enrollment/access.js'
import { CurrentRequester, type AuthenticatedRequester } from '../requester/requester.js'
import { RequesterGuard } from '../requester/requester.guard.js'
import { noticesQuery, noticesView, type NoticesQuery, type RecoveryNoticesView } from './recovery-notices.schemas.js'
import { RecoveryNotices } from './recovery-notices.service.js'

/** Recoveries of the caller's own keys. */
@ApiTags('recovery-notices')
@ApiBearerAuth()
@UseGuards(RequesterGuard)
@Controller('api/v1/recovery-notices')
export class RecoveryNoticesController {
  constructor(private readonly notices: RecoveryNotices) {}

  @Get()
  @ApiOperation({ summary: 'Who was given keys of the caller’s certificates' })
  @ApiResponse({ status: 200, standardSchema: noticesView })
  list(
    @Query({ schema: noticesQuery }) { limit, cursor }: NoticesQuery,
    @CurrentRequester() requester: AuthenticatedRequester
  ): Promise<RecoveryNoticesView> {
    requireScope(requester, 'enroll')
    return this.notices.list(requester.principal.id, limit, cursor)
  }
}
