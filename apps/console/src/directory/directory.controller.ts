import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Put, Query } from '@nestjs/common'
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import type { z } from 'zod'
import { CurrentOperator, type AuthenticatedOperator } from '../access/operator.js'
import { uuidPageQuery, uuidParameter } from '../access/page.schemas.js'
import { RequirePermission } from '../access/require-permission.js'
import {
  addBody,
  changeBody,
  directoryQuery,
  principalDetailView,
  principalsView,
  principalView,
  tokensView,
  type AddBody,
  type ChangeBody,
  type DirectoryQuery,
  type PrincipalDetailView,
  type PrincipalsView,
  type PrincipalView,
  type TokenView
} from './directory.schemas.js'
import { DirectoryService } from './directory.service.js'

/** Users, computers and groups. The directory is one for every CA, so that changing it takes a role for every CA. */
@ApiTags('directory')
@Controller('api/v1/directory')
export class DirectoryController {
  constructor(private readonly directory: DirectoryService) {}

  @Get()
  @RequirePermission('directory.read')
  @ApiOperation({ summary: 'Users, computers and groups' })
  @ApiResponse({ status: 200, standardSchema: principalsView })
  list(@Query({ schema: directoryQuery }) query: DirectoryQuery): Promise<PrincipalsView> {
    return this.directory.list(query)
  }

  @Post()
  @RequirePermission('directory.write', { at: 'all' })
  @ApiOperation({ summary: 'Add a user, a computer or a group' })
  @ApiResponse({ status: 201, standardSchema: principalView })
  add(
    @Body({ schema: addBody }) body: AddBody,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<PrincipalView> {
    return this.directory.add(body, operator)
  }

  @Get(':id')
  @RequirePermission('directory.read')
  @ApiOperation({ summary: 'One user, computer or group' })
  @ApiResponse({ status: 200, standardSchema: principalDetailView })
  show(@Param('id', { schema: uuidParameter }) id: string): Promise<PrincipalDetailView> {
    return this.directory.show(id)
  }

  @Patch(':id')
  @RequirePermission('directory.write', { at: 'all' })
  @ApiOperation({ summary: 'Change the attributes of an account' })
  @ApiResponse({ status: 200, standardSchema: principalDetailView })
  change(
    @Param('id', { schema: uuidParameter }) id: string,
    @Body({ schema: changeBody }) body: ChangeBody,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<PrincipalDetailView> {
    return this.directory.change(id, body, operator)
  }

  @Post(':id/disable')
  @HttpCode(204)
  @RequirePermission('directory.write', { at: 'all' })
  @ApiOperation({ summary: 'End what the credentials of an account are good for, at once' })
  disable(
    @Param('id', { schema: uuidParameter }) id: string,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<void> {
    return this.directory.setDisabled(id, true, operator)
  }

  @Post(':id/enable')
  @HttpCode(204)
  @RequirePermission('directory.write', { at: 'all' })
  @ApiOperation({ summary: 'Let an account be used again' })
  enable(
    @Param('id', { schema: uuidParameter }) id: string,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<void> {
    return this.directory.setDisabled(id, false, operator)
  }

  @Get(':id/members')
  @RequirePermission('directory.read')
  @ApiOperation({ summary: 'Those directly in a group' })
  @ApiResponse({ status: 200, standardSchema: principalsView })
  members(
    @Param('id', { schema: uuidParameter }) id: string,
    @Query({ schema: uuidPageQuery }) query: z.infer<typeof uuidPageQuery>
  ): Promise<PrincipalsView> {
    return this.directory.members(id, query)
  }

  @Put(':id/members/:member')
  @HttpCode(204)
  @RequirePermission('directory.write', { at: 'all' })
  @ApiOperation({ summary: 'Put an account or a group into a group' })
  addMember(
    @Param('id', { schema: uuidParameter }) id: string,
    @Param('member', { schema: uuidParameter }) member: string,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<void> {
    return this.directory.setMember({ id, member, isMember: true }, operator)
  }

  @Delete(':id/members/:member')
  @HttpCode(204)
  @RequirePermission('directory.write', { at: 'all' })
  @ApiOperation({ summary: 'Take an account or a group out of a group' })
  removeMember(
    @Param('id', { schema: uuidParameter }) id: string,
    @Param('member', { schema: uuidParameter }) member: string,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<void> {
    return this.directory.setMember({ id, member, isMember: false }, operator)
  }

  @Get(':id/tokens')
  @RequirePermission('directory.read')
  @ApiOperation({ summary: 'The tokens of an account' })
  @ApiResponse({ status: 200, standardSchema: tokensView })
  tokens(@Param('id', { schema: uuidParameter }) id: string): Promise<{ items: TokenView[] }> {
    return this.directory.tokens(id)
  }

  @Delete(':id/tokens/:token')
  @HttpCode(204)
  @RequirePermission('directory.write', { at: 'all' })
  @ApiOperation({ summary: 'Revoke a token' })
  revokeToken(
    @Param('id', { schema: uuidParameter }) id: string,
    @Param('token', { schema: uuidParameter }) token: string,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<void> {
    return this.directory.revokeToken(id, token, operator)
  }
}
