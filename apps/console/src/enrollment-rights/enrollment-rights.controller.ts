import { Body, Controller, Delete, Get, HttpCode, Param, Post, Put, Query } from '@nestjs/common'
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import { z } from 'zod'
import { CurrentOperator, type AuthenticatedOperator } from '../access/operator.js'
import { uuidParameter } from '../access/page.schemas.js'
import { RequirePermission } from '../access/require-permission.js'
import {
  agentScopeBody,
  agentScopesQuery,
  agentScopesView,
  agentScopeView,
  caEnrollment,
  type AgentScopeBody,
  type AgentScopesQuery,
  type AgentScopesView,
  type AgentScopeView,
  type CaEnrollment
} from './enrollment-rights.schemas.js'
import { EnrollmentRightsService } from './enrollment-rights.service.js'

const caParameter = z.string().min(1).max(1536)

/** For whom enrollment agents may ask, and who may enroll at a CA. */
@ApiTags('enrollment-rights')
@Controller('api/v1')
export class EnrollmentRightsController {
  constructor(private readonly rights: EnrollmentRightsService) {}

  @Get('enrollment-agents')
  @RequirePermission('operator.read')
  @ApiOperation({ summary: 'For whom enrollment agents may ask' })
  @ApiResponse({ status: 200, standardSchema: agentScopesView })
  list(
    @Query({ schema: agentScopesQuery }) query: AgentScopesQuery,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<AgentScopesView> {
    return this.rights.list(query, operator)
  }

  @Post('enrollment-agents')
  @RequirePermission('operator.write')
  @ApiOperation({ summary: 'Let an enrollment agent ask for members of a group, for one template' })
  @ApiResponse({ status: 201, standardSchema: agentScopeView })
  grant(
    @Body({ schema: agentScopeBody }) body: AgentScopeBody,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<AgentScopeView> {
    return this.rights.grant(body, operator)
  }

  @Delete('enrollment-agents/:id')
  @HttpCode(204)
  @RequirePermission('operator.write')
  @ApiOperation({ summary: 'Let an enrollment agent ask for them no more' })
  revoke(
    @Param('id', { schema: uuidParameter }) id: string,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<void> {
    return this.rights.revoke(id, operator)
  }

  @Get('cas/:ca/enrollment')
  @RequirePermission('ca.read')
  @ApiOperation({ summary: 'Which groups may enroll at the CA' })
  @ApiResponse({ status: 200, standardSchema: caEnrollment })
  enrollment(@Param('ca', { schema: caParameter }) ca: string): Promise<CaEnrollment> {
    return this.rights.enrollment(ca)
  }

  @Put('cas/:ca/enrollment')
  @RequirePermission('ca.write')
  @ApiOperation({ summary: 'Say which groups may enroll at the CA' })
  @ApiResponse({ status: 200, standardSchema: caEnrollment })
  setEnrollment(
    @Param('ca', { schema: caParameter }) ca: string,
    @Body({ schema: caEnrollment }) body: CaEnrollment,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<CaEnrollment> {
    return this.rights.setEnrollment(ca, body, operator)
  }
}
