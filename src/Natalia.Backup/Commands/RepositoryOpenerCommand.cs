using System.Management.Automation;
using System.Security;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Sessions;

namespace Natalia.Backup.Commands;

/// <summary>What making and connecting a repository have in common: where it is, its password, and the name of the session.</summary>
public abstract class RepositoryOpenerCommand : NataliaCommand
{
    private protected const string FolderPasswordSet = "Folder";
    private protected const string FolderUnencryptedSet = "FolderUnencrypted";
    private protected const string FolderAuditOnlySet = "FolderAuditOnly";

    private protected RepositoryOpenerCommand() { }

    /// <summary>The repository's folder, on a disk or a share. Relative paths, ~ and PowerShell drives are welcome; wildcards are taken literally.</summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = FolderPasswordSet)]
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = FolderUnencryptedSet)]
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = FolderAuditOnlySet)]
    [ValidateNotNullOrEmpty]
    public string Path { get; set; } = "";

    /// <summary>The password, as SecureString, or as PSCredential whose user name does not matter. When it is lost, so is everything in the repository: there is no second way in.</summary>
    [Parameter(Mandatory = true, ParameterSetName = FolderPasswordSet)]
    [PasswordArgument]
    public SecureString? Password { get; set; }

    /// <summary>The repository has no password, and whoever can read its files can read the disks in it.</summary>
    [Parameter(Mandatory = true, ParameterSetName = FolderUnencryptedSet)]
    public SwitchParameter Unencrypted { get; set; }

    /// <summary>What to call the session. Left out, it is called like the folder, with a number behind it when that name is in use.</summary>
    [Parameter]
    [ValidateSessionName]
    public string? Name { get; set; }

    private protected sealed override bool FailsAsAWhole => true;

    /// <summary>How the parameter set says that the repository is opened.</summary>
    private protected RepositoryAccess Access => ParameterSetName switch
    {
        FolderUnencryptedSet => RepositoryAccess.Unencrypted,
        FolderAuditOnlySet => RepositoryAccess.AuditOnly,
        _ => RepositoryAccess.Password,
    };

    /// <summary>Opens or makes it; null when the user did not want it after all.</summary>
    private protected abstract Task<RepositoryConnection?> OpenAsync(RepositorySettings settings, RepositoryPassword? password, CancellationToken cancellationToken);

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        if (Access == RepositoryAccess.Unencrypted && !Unencrypted)
            throw new NataliaException(ErrorIds.PasswordRequired, NataliaErrorKind.InvalidArgument, "A repository that is not -Unencrypted needs a -Password.");
        if (Access == RepositoryAccess.Password && Password is not { Length: > 0 })
            throw new NataliaException(ErrorIds.PasswordRequired, NataliaErrorKind.InvalidArgument, "The password is empty.", recommendedAction: "Give a -Password, or say -Unencrypted when there is to be none.");
        string path = await OnPipelineAsync(() => FilePaths.Resolve(SessionState, Path)).ConfigureAwait(false);
        string name = Name ?? Registry.Repositories.GetFreeName(SessionName.FromPath(path, "repository"));
        Registry.Repositories.EnsureFree(name);
        using RepositoryPassword? password = Access == RepositoryAccess.Password ? RepositoryPassword.From(Password!) : null;
        var settings = new RepositorySettings { Name = name, Kind = "Folder", Path = path, Access = Access };
        if (await OpenAsync(settings, password, cancellationToken).ConfigureAwait(false) is not RepositoryConnection connection) return;
        Registry.Repositories.Add(connection);
        Emit(connection.Session);
    }
}
