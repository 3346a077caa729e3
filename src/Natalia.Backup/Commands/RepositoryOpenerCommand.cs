using System.Management.Automation;
using System.Security;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Kinds;
using Natalia.Backup.Storage.S3;

namespace Natalia.Backup.Commands;

/// <summary>
/// What making and connecting a repository have in common: where it is, its password, and the name of the session.
/// </summary>
public abstract class RepositoryOpenerCommand : NataliaCommand
{
    private protected const string FolderPasswordSet = "Folder";
    private protected const string FolderUnencryptedSet = "FolderUnencrypted";
    private protected const string FolderAuditOnlySet = "FolderAuditOnly";
    private protected const string BucketPasswordSet = "Bucket";
    private protected const string BucketUnencryptedSet = "BucketUnencrypted";
    private protected const string BucketAuditOnlySet = "BucketAuditOnly";

    private protected RepositoryOpenerCommand() { }

    /// <summary>
    /// The repository's folder, on a disk or a share. Relative paths, ~ and PowerShell drives are welcome; wildcards
    /// are taken literally.
    /// </summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = FolderPasswordSet)]
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = FolderUnencryptedSet)]
    [ValidateNotNullOrEmpty]
    public virtual string Path { get; set; } = "";

    /// <summary>
    /// The name of an S3 bucket that exists. For immutable repositories it must have been made with Object Lock.
    /// </summary>
    [Parameter(Mandatory = true, ParameterSetName = BucketPasswordSet)]
    [Parameter(Mandatory = true, ParameterSetName = BucketUnencryptedSet)]
    [ValidateNotNullOrEmpty]
    public virtual string Bucket { get; set; } = "";

    /// <summary>
    /// The address of the S3 server, such as https://s3.eu-central-1.wasabisys.com. Left out, AWS is meant.
    /// </summary>
    [Parameter(ParameterSetName = BucketPasswordSet)]
    [Parameter(ParameterSetName = BucketUnencryptedSet)]
    public virtual Uri? Endpoint { get; set; }

    /// <summary>The bucket's region, such as eu-west-3. Left out, AWS_REGION for AWS, else us-east-1.</summary>
    [Parameter(ParameterSetName = BucketPasswordSet)]
    [Parameter(ParameterSetName = BucketUnencryptedSet)]
    public virtual string? Region { get; set; }

    /// <summary>
    /// Where requests name the bucket: Path (https://host/bucket), Virtual (https://bucket.host), or Auto, the default:
    /// Virtual at AWS, Path at an address or at localhost; elsewhere Path, and where the server refuses that, Virtual.
    /// What was found goes into profiles.
    /// </summary>
    [Parameter(ParameterSetName = BucketPasswordSet)]
    [Parameter(ParameterSetName = BucketUnencryptedSet)]
    public virtual S3AddressingStyle AddressingStyle { get; set; }

    /// <summary>What all keys of the repository begin with, so that several repositories share a bucket.</summary>
    [Parameter(ParameterSetName = BucketPasswordSet)]
    [Parameter(ParameterSetName = BucketUnencryptedSet)]
    public virtual string? Prefix { get; set; }

    /// <summary>
    /// With -Bucket: the access key as user name and its secret as password. Left out, the AWS SDK's own chain is used:
    /// environment, profile, role of the machine. With -Path, on Windows and for a UNC path: the user of the share; the
    /// connection ends with the session. Left out, Windows takes the account that runs the command.
    /// </summary>
    [Parameter(ParameterSetName = FolderPasswordSet)]
    [Parameter(ParameterSetName = FolderUnencryptedSet)]
    [Parameter(ParameterSetName = BucketPasswordSet)]
    [Parameter(ParameterSetName = BucketUnencryptedSet)]
    [Credential]
    public virtual PSCredential? Credential { get; set; }

    /// <summary>
    /// The SHA-256 fingerprint of the S3 server's certificate. When it is given, exactly this certificate is trusted
    /// and no other.
    /// </summary>
    [Parameter(ParameterSetName = BucketPasswordSet)]
    [Parameter(ParameterSetName = BucketUnencryptedSet)]
    public virtual string? ServerCertificateThumbprint { get; set; }

    /// <summary>The repository has no password, and whoever can read its files can read the disks in it.</summary>
    [Parameter(Mandatory = true, ParameterSetName = FolderUnencryptedSet)]
    [Parameter(Mandatory = true, ParameterSetName = BucketUnencryptedSet)]
    public SwitchParameter Unencrypted { get; set; }

    /// <summary>
    /// What to call the session. Left out, it is called like the folder or the bucket, with a number behind it when
    /// that name is in use.
    /// </summary>
    [Parameter]
    [ValidateSessionName]
    public string? Name { get; set; }

    private protected sealed override bool FailsAsAWhole => true;

    /// <summary>The password that the repository is opened or made with; asked for where the command may.</summary>
    private protected abstract Task<SecureString?> FindPasswordAsync();

    /// <summary>How the parameter set says that the repository is opened.</summary>
    private protected RepositoryAccess Access => ParameterSetName switch
    {
        FolderUnencryptedSet or BucketUnencryptedSet => RepositoryAccess.Unencrypted,
        FolderAuditOnlySet or BucketAuditOnlySet => RepositoryAccess.AuditOnly,
        _ => RepositoryAccess.Password,
    };

    /// <summary>The bucket as the parameters describe it.</summary>
    private protected virtual BucketSettings DescribeBucket(string name) => new()
    {
        Name = name,
        Access = Access,
        Bucket = Bucket,
        Endpoint = Endpoint,
        Region = Region,
        AddressingStyle = AddressingStyle,
        Prefix = Prefix,
        ServerCertificateThumbprint = ServerCertificateThumbprint,
        CredentialSecret = Credential is null ? null : "",
    };

    private async Task<StoreSettings> DescribeFolderAsync()
    {
        RequireUsablePath();
        string path = await OnPipelineAsync(() => FilePaths.Resolve(SessionState, Path)).ConfigureAwait(false);
        return new FolderStoreSettings
        {
            Name = FreeName(SessionName.FromPath(path, "repository")),
            Path = path,
            Access = Access,
            CredentialSecret = Credential is null ? null : "",
        };
    }

    /// <summary>The name that the user gave, or one like the thing's own.</summary>
    /// <exception cref="NataliaException"><c>NameInUse</c>.</exception>
    private string FreeName(string own)
    {
        string name = Name ?? Registry.Repositories.GetFreeName(own);
        Registry.Repositories.EnsureFree(name);
        return name;
    }

    /// <summary>
    /// Elsewhere than on Windows a UNC path would be taken for a folder with strange characters, and made.
    /// </summary>
    private void RequireUsablePath()
    {
        bool isUnc = Path.StartsWith(@"\\", StringComparison.Ordinal);
        if (isUnc && System.IO.Path.DirectorySeparatorChar != '\\')
            throw new NataliaException(Credential is null
                ? ErrorIds.PathNotSupported
                : ErrorIds.ShareCredentialNotSupported,
                NataliaErrorKind.NotSupported, $"Only Windows reaches the share '{Path}' by its UNC path.", Path,
                "Mount the share (mount -t cifs, with its credentials), and name the folder below the mount point.");
        if (!isUnc && Credential is not null)
            throw new NataliaException(ErrorIds.ShareCredentialNotSupported, NataliaErrorKind.InvalidArgument,
                $"'{Path}' is not on a share that is named by a UNC path, so -Credential has no meaning for it.", Path,
                @"Leave -Credential out, or name the folder as \\server\share\folder.");
    }

    /// <summary>
    /// What can go wrong, or be asked, before anybody is asked for a password; false when nothing is to be done.
    /// </summary>
    private protected abstract Task<bool> PrepareAsync(StoreSettings settings, CancellationToken cancellationToken);

    /// <summary>Opens or makes it; null when the user did not want it after all.</summary>
    private protected abstract Task<RepositoryConnection?> OpenAsync(StoreSettings settings,
        RepositoryPassword? password, CancellationToken cancellationToken);

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        if (Access == RepositoryAccess.Unencrypted && !Unencrypted)
            throw new NataliaException(ErrorIds.PasswordRequired, NataliaErrorKind.InvalidArgument,
                "A repository that is not -Unencrypted needs a -Password.");
        StoreSettings settings = Bucket.Length > 0
            ? DescribeBucket(FreeName(Bucket))
            : await DescribeFolderAsync().ConfigureAwait(false);
        // Nobody is asked for a password to be told then that the place was wrong, or that nothing would be made.
        if (!await PrepareAsync(settings, cancellationToken).ConfigureAwait(false)) return;
        SecureString? secret = Access == RepositoryAccess.Password
            ? await FindPasswordAsync().ConfigureAwait(false)
            : null;
        if (Access == RepositoryAccess.Password && secret is not { Length: > 0 })
            throw new NataliaException(ErrorIds.PasswordRequired, NataliaErrorKind.InvalidArgument,
                "The password is empty.",
                recommendedAction: "Give a -Password, or say -Unencrypted when there is to be none.");
        using RepositoryPassword? password = secret is null ? null : RepositoryPassword.From(secret);
        if (await OpenAsync(settings, password,
            cancellationToken).ConfigureAwait(false) is not RepositoryConnection connection)
            return;
        Registry.Repositories.Add(connection);
        if (Registry.Repositories.DescribeTwin(connection) is string twin) EmitWarning(twin);
        Registry.Completion.RememberRepository(connection.Session.RepositoryId, connection.Name);
        if (connection.Session.BucketRetentionDays is int days)
            EmitWarning($"The bucket '{Bucket}' locks everything that is put into it for "
                + $"{Plural.Count(days, "day")}, leases and "
                + $"other short-lived objects included. That works, and costs their storage: a few KiB with each run, "
                + $"and the space of removed points comes back no earlier than "
                + $"{Plural.Count(days, "day")} after it was written.");
        Emit(connection.Session);
    }
}
