import { Controller, Delete, Get, HttpCode, Param, Query } from '@nestjs/common'
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import { z } from 'zod'
import { NamedObjects } from '../access/named-objects.js'
import { CurrentOperator, type AuthenticatedOperator } from '../access/operator.js'
import { uuidParameter } from '../access/page.schemas.js'
import { RequirePermission } from '../access/require-permission.js'
import { accountName } from '../operators/operators.schemas.js'
import { sessionView, type SessionView } from './session.schemas.js'
import { SessionService } from './session.service.js'

const sessionsQuery = z.object({ account: accountName })
const sessionsView = z.object({ items: z.array(sessionView) })

/** Where others are signed in. */
@ApiTags('operators')
@Controller('api/v1/sessions')
export class OperatorSessionsController {
  constructor(
    private readonly sessions: SessionService,
    private readonly named: NamedObjects
  ) {}

  @Get()
  @RequirePermission('operator.read', { at: 'all' })
  @ApiOperation({ summary: 'The browsers in which an account is signed in' })
  @ApiResponse({ status: 200, standardSchema: sessionsView })
  async list(
    @Query({ schema: sessionsQuery }) { account }: z.infer<typeof sessionsQuery>
  ): Promise<{ items: SessionView[] }> {
    return { items: [...(await this.sessions.listOf(await this.named.account(account)))] }
  }

  @Delete(':id')
  @HttpCode(204)
  @RequirePermission('operator.write', { at: 'all' })
  @ApiOperation({ summary: 'End a session of anybody' })
  end(
    @Param('id', { schema: uuidParameter }) id: string,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<void> {
    return this.sessions.endAny(id, operator)
  }
}
