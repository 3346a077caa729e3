using System.Management.Automation;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Sessions;

namespace Natalia.Backup.Commands;

/// <summary>Makes a repository for restore points and connects to it.</summary>
/// <remarks>
/// <para>The folder is made when it is not there; it must be empty. What goes into the repository is compressed and, unless -Unencrypted is said, encrypted with AES-256 under a key that the password seals.</para>
/// <para>Keep the password where it survives the loss of this machine. Keep AuditKeyFingerprint somewhere else, too: it proves later that the audit log is this repository's.</para>
/// <para>One repository holds any number of appliances, and several machines may write to it at once.</para>
/// </remarks>
/// <example>
/// <code>New-NataliaRepository -Path E:\NataliaBackup</code>
/// <para>Asks for a password and makes a repository on another disk.</para>
/// </example>
/// <example>
/// <code>$password = Get-Secret natalia-backup
/// New-NataliaRepository -Name nas -Path \\nas\backup\natalia -Password $password
/// Export-NataliaProfile -Path C:\ProgramData\natalia.json -SecretName @{ nas = 'natalia-backup' }</code>
/// <para>Makes a repository on a NAS and keeps the connection in a profile for scheduled runs. The profile holds the name of the secret, never the secret.</para>
/// </example>
[Cmdlet(VerbsCommon.New, "NataliaRepository", DefaultParameterSetName = FolderPasswordSet, SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(RepositorySession))]
public sealed class NewNataliaRepositoryCommand : RepositoryOpenerCommand
{
    private protected override async Task<RepositoryConnection?> OpenAsync(RepositorySettings settings, RepositoryPassword? password, CancellationToken cancellationToken)
    {
        string action = settings.Access == RepositoryAccess.Unencrypted ? "Make a repository WITHOUT encryption" : "Make an encrypted repository";
        if (!await ShouldProcessAsync(settings.Path, action).ConfigureAwait(false)) return null;
        return await ConnectionFactory.CreateRepositoryAsync(settings, password, cancellationToken).ConfigureAwait(false);
    }
}
