using System.Management.Automation;
using System.Security;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Sessions;

namespace Natalia.Backup.Commands;

/// <summary>Makes a repository for restore points and connects to it.</summary>
/// <remarks>
/// <para>The folder is made when it is not there; it must be empty. What goes into the repository is compressed and, unless -Unencrypted is said, encrypted with AES-256 under a key that the password seals.</para>
/// <para>Keep the password where it survives the loss of this machine. Keep AuditKeyFingerprint somewhere else, too: it proves later that the audit log is this repository's.</para>
/// <para>One repository holds any number of appliances, and several machines may write to it at once.</para>
/// <para>-Bucket makes it in an S3 bucket: AWS, Wasabi, MinIO, Ceph. With -ImmutableDays nothing that a point needs can be deleted before its date, by nobody.</para>
/// </remarks>
/// <example>
/// <code>New-NataliaRepository -Path E:\NataliaBackup</code>
/// <para>Asks for a password, twice, and makes a repository on another disk.</para>
/// </example>
/// <example>
/// <code>New-NataliaRepository -Name vault -Bucket natalia-backup -Endpoint https://s3.eu-central-1.wasabisys.com -Region eu-central-1 -Credential (Get-Secret wasabi) -ImmutableDays 30
/// Get-NataliaRepository vault | Test-NataliaRepository</code>
/// <para>Makes an immutable repository off site, and proves the destination: among others by trying to delete a locked object.</para>
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
    /// <summary>
    /// The password, as SecureString, or as PSCredential whose user name does not matter. Left out, it is asked for, twice. When it is lost, so is everything in the repository: there is no second way in.
    /// </summary>
    [Parameter(ParameterSetName = FolderPasswordSet)]
    [Parameter(ParameterSetName = BucketPasswordSet)]
    [PasswordArgument]
    public SecureString? Password { get; set; }

    /// <summary>
    /// For how many days from its making each restore point, and everything it needs, is locked against deletion (1 to 36500). The bucket must have Object Lock. Cannot be shortened later; what is locked costs storage until its date.
    /// </summary>
    [Parameter(ParameterSetName = BucketPasswordSet)]
    [Parameter(ParameterSetName = BucketUnencryptedSet)]
    [ValidateRange(1, 36500)]
    public int? ImmutableDays { get; set; }

    /// <summary>How strong the locks are: Compliance, which nobody can lift before the date, or Governance, which an administrator with a special right can. Needs -ImmutableDays.</summary>
    [Parameter(ParameterSetName = BucketPasswordSet)]
    [Parameter(ParameterSetName = BucketUnencryptedSet)]
    public ObjectLockMode ImmutabilityMode { get; set; } = ObjectLockMode.Compliance;

    /// <summary>The storage class of packs, such as STANDARD_IA. Everything else lies in the bucket's default class. Left out, packs do too.</summary>
    [Parameter(ParameterSetName = BucketPasswordSet)]
    [Parameter(ParameterSetName = BucketUnencryptedSet)]
    public string? StorageClass { get; set; }

    private protected override async Task<SecureString?> FindPasswordAsync() =>
        IsBound(nameof(Password)) ? Password : await OnPipelineAsync(() => NewPasswordPrompt.Ask(Host.UI, "the repository")).ConfigureAwait(false);

    private protected override BucketSettings DescribeBucket()
    {
        if (ImmutableDays is null && IsBound(nameof(ImmutabilityMode)))
            throw new NataliaException(ErrorIds.ImmutabilityInvalid, NataliaErrorKind.InvalidArgument, "-ImmutabilityMode says how strong locks are, but not for how long.", Bucket, "Give -ImmutableDays too.");
        return base.DescribeBucket() with { StorageClass = StorageClass, LockMode = ImmutableDays is null ? null : ImmutabilityMode };
    }

    private protected override async Task<RepositoryConnection?> OpenAsync(RepositorySettings settings, RepositoryPassword? password, CancellationToken cancellationToken)
    {
        string action = settings.Access == RepositoryAccess.Unencrypted ? "Make a repository WITHOUT encryption" : "Make an encrypted repository";
        if (!await ShouldProcessAsync(settings.Path, action).ConfigureAwait(false)) return null;
        return await ConnectionFactory.CreateRepositoryAsync(settings, password, Credential, ImmutableDays, cancellationToken).ConfigureAwait(false);
    }
}
