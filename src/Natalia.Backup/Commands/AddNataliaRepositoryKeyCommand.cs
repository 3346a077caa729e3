using System.Management.Automation;
using System.Security;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Commands;

/// <summary>Adds a password that opens a repository, beside those that it has.</summary>
/// <remarks>
/// <para>Every password of a repository opens all of it. Nothing that is stored is written anew, however large the
/// repository is. The new password is tried out before the command returns, and the audit log records who added
/// it.</para>
/// <para>To change a password, add the new one and remove the old one. A second password in a safe is a good idea: when
/// the stored form of one is damaged or deleted, the other ones still open the repository.</para>
/// </remarks>
/// <example>
/// <code>Add-NataliaRepositoryKey -Repository nas -Name 'in the safe'</code>
/// <para>Asks for a second password, twice, and adds it.</para>
/// </example>
/// <example>
/// <code>$ErrorActionPreference = 'Stop'
/// $old = Get-NataliaRepositoryKey -Repository nas
/// Add-NataliaRepositoryKey -Repository nas -NewPassword (Get-Secret natalia-backup-2027) -Name 2027
/// $old | Remove-NataliaRepositoryKey -Confirm:$false</code>
/// <para>A runbook that changes the password: the new one is added first, then all others are removed. When the new one
/// cannot be added, nothing is removed.</para>
/// </example>
[Cmdlet(VerbsCommon.Add, "NataliaRepositoryKey", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(RepositoryKey))]
public sealed class AddNataliaRepositoryKeyCommand : RepositoryKeyCommand
{
    /// <summary>
    /// The new password, as SecureString, or as PSCredential whose user name does not matter. Left out, it is asked
    /// for, twice.
    /// </summary>
    [Parameter]
    [PasswordArgument]
    public SecureString? NewPassword { get; set; }

    /// <summary>
    /// What to call it: where it is kept, who has it. At most 64 characters. Stored in the clear, for everybody who can
    /// read the repository's files.
    /// </summary>
    [Parameter(Position = 0)]
    [ValidateLength(1, 64)]
    [ValidatePattern(@"^[^\p{C}]*\S[^\p{C}]*$")]
    public string? Name { get; set; }

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        RepositoryConnection connection = RepositoryToChange();
        if (!await ShouldProcessAsync($"repository '{connection.Name}' ({connection.Session.Location})",
            Name is null ? "Add a password" : $"Add the password '{Name}'").ConfigureAwait(false))
            return;
        SecureString? secret = IsBound(nameof(NewPassword))
            ? NewPassword
            : await OnPipelineAsync(
                () => PasswordPrompt.AskNew(Host, $"the repository '{connection.Name}'")).ConfigureAwait(false);
        if (secret is not { Length: > 0 })
            throw new NataliaException(ErrorIds.PasswordRequired, NataliaErrorKind.InvalidArgument,
                "The new password is empty.", connection.Name);
        using RepositoryPassword password = RepositoryPassword.From(secret);
        Emit(await connection.Repository.AddKeyAsync(password, Name, cancellationToken).ConfigureAwait(false));
    }
}
