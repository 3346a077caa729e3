using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Engine.Storage.Wrappers;

namespace Natalia.Backup.Operations.Kinds;

/// <summary>A folder, on a disk or a share.</summary>
internal sealed record FolderStoreSettings : StoreSettings
{
    internal const string KindName = "Folder";

    /// <summary>What makes a folder a repository (docs/format.md).</summary>
    private const string SettingsName = "natalia.json";

    /// <inheritdoc/>
    public override string Kind => KindName;

    /// <summary>The folder, a full path.</summary>
    public required string Path { get; init; }

    /// <summary>
    /// On a share: the name of the secret that holds the user of the share; empty when one was given and it has no name
    /// yet, null when the account that runs the command is taken.
    /// </summary>
    public string? CredentialSecret { get; init; }

    internal override string Location => Path;

    internal override string? LoginSecret => CredentialSecret;

    internal override RepositoryConnectionSettings From(string folder) => this with
    {
        Path = System.IO.Path.GetFullPath(System.IO.Path.Combine(folder, Path)),
    };

    internal override RepositoryConnectionSettings WithSecrets(string? named) => this with
    {
        CredentialSecret = CredentialSecret is null ? null : LoginName(CredentialSecret, named, "-share"),
        PasswordSecret = PasswordSecretFor(named),
    };

    internal override bool LeadsTo(RepositoryConnectionSettings other) =>
        base.LeadsTo(other) && other is FolderStoreSettings folder && folder.Path == Path;

    internal override void EnsureEmpty()
    {
        // What is on a share that needs its user is found out when it is made, and so is what folders hold.
        if (CredentialSecret is not null) return;
        string? first = null;
        try
        {
            if (Directory.Exists(Path))
                first = Directory.EnumerateFiles(Path).Select(f => System.IO.Path.GetFileName(f))
                    .FirstOrDefault(n => !n.StartsWith(".", StringComparison.Ordinal));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The making tells it better.
            return;
        }
        if (File.Exists(System.IO.Path.Combine(Path, SettingsName)))
            throw new NataliaException(ErrorIds.RepositoryExists, NataliaErrorKind.AlreadyExists,
                $"There is a repository at {Path} already.", Path, "Open it with Connect-NataliaRepository.");
        if (first is not null)
            throw new NataliaException(ErrorIds.NotARepository, NataliaErrorKind.AlreadyExists,
                $"{Path} is not empty: it holds '{first}'.", Path,
                "Name an empty place, or one that does not exist yet.");
    }

    internal override void EnsureThere()
    {
        if (CredentialSecret is null && !Directory.Exists(Path)) FolderStore.Open(Path, create: false).Dispose();
    }

    internal override Task<OpenedStore> OpenAsync(UserCredential? credential, bool isNew,
        CancellationToken cancellationToken) =>
        Task.FromResult(new OpenedStore(Open(credential, isNew), this));

    /// <summary>On a share with its user; files that others have open for a moment are waited for.</summary>
    private IObjectStore Open(UserCredential? credential, bool isNew)
    {
        NetworkShare? share = credential is null
            ? null
            : NetworkShare.Connect(Path, credential.UserName, credential.Password);
        try
        {
            // Nothing is made in a folder that holds something already: it will be refused.
            bool create = isNew && (!Directory.Exists(Path) || !Directory.EnumerateFileSystemEntries(Path).Any());
            IObjectStore store = new RetryStore(FolderStore.Open(Path, create), RetryPolicy.ForFiles);
            return share is null ? store : new ShareStore(store, share);
        }
        catch
        {
            share?.Dispose();
            throw;
        }
    }
}
