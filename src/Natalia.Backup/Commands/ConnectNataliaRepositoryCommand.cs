using System.Management.Automation;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Sessions;

namespace Natalia.Backup.Commands;

/// <summary>Connects this PowerShell session to a repository.</summary>
/// <remarks>
/// <para>The connection stays in the session (the runspace) until it is disconnected, the module is removed or the session ends. Other sessions, jobs and runbooks do not see it.</para>
/// <para>-AuditOnly opens an encrypted repository without its password. Then every object can be checked for damage and the audit log can be read, but no restore point.</para>
/// </remarks>
/// <example>
/// <code>Connect-NataliaRepository E:\NataliaBackup
/// Get-NataliaRestorePoint</code>
/// <para>Asks for the password, connects, and lists the restore points.</para>
/// </example>
/// <example>
/// <code>$ErrorActionPreference = 'Stop'
/// Connect-NataliaRepository -Path \\nas\backup\natalia -Password (Get-AutomationPSCredential natalia-backup)
/// if (-not (Get-NataliaRestorePoint -Latest | Test-NataliaRestorePoint -Quiet)) { throw 'The newest restore point is damaged.' }</code>
/// <para>A runbook that proves the newest restore point every night.</para>
/// </example>
/// <example>
/// <code>Connect-NataliaRepository -Path \\nas\backup\natalia -AuditOnly | Test-NataliaRepository -Full</code>
/// <para>Checks every object of a repository from a machine that does not know the password.</para>
/// </example>
[Cmdlet(VerbsCommunications.Connect, "NataliaRepository", DefaultParameterSetName = FolderPasswordSet)]
[OutputType(typeof(RepositorySession))]
public sealed class ConnectNataliaRepositoryCommand : RepositoryOpenerCommand
{
    /// <summary>Open it without the password: for checks and the audit log, not for restore points.</summary>
    [Parameter(Mandatory = true, ParameterSetName = FolderAuditOnlySet)]
    public SwitchParameter AuditOnly { get; set; }

    private protected override async Task<RepositoryConnection?> OpenAsync(RepositorySettings settings, RepositoryPassword? password, CancellationToken cancellationToken) =>
        await ConnectionFactory.OpenRepositoryAsync(settings, password, cancellationToken).ConfigureAwait(false);
}
