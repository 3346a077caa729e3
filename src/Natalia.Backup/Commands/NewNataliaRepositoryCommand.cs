using System.Management.Automation;
using System.Security;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Immutability;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Kinds;
using Natalia.Backup.Operations.Retention;

namespace Natalia.Backup.Commands;

/// <summary>Makes a repository for restore points and connects to it.</summary>
/// <remarks>
/// <para>The folder is made when it is not there; it must be empty. What goes into the repository is compressed and,
/// unless -Unencrypted is said, encrypted with AES-256 under a key that the password seals.</para>
/// <para>Keep the password where it survives the loss of this machine. Keep AuditKeyFingerprint somewhere else, too: it
/// proves later that the audit log is this repository's.</para>
/// <para>One repository holds any number of appliances, and several machines may write to it at once.</para>
/// <para>-Bucket makes it in an S3 bucket: AWS, Wasabi, MinIO, Ceph. With -ImmutableDays nothing that a point needs can
/// be deleted before its date, by nobody; with -ImmutableWhileKept, as long as the retention policy keeps it.</para>
/// <para>A lock cannot be taken back. What the locks and the usual retention policy come to together is shown by
/// -WhatIf and -Verbose before anything is made, and stands in the session as LockEffect: how much stays locked, and is
/// paid for, after the policy has let it go, and which points are kept for longer than they are locked.</para>
/// </remarks>
/// <example>
/// <code>New-NataliaRepository -Path E:\NataliaBackup</code>
/// <para>Asks for a password, twice, and makes a repository on another disk.</para>
/// </example>
/// <example>
/// <code>New-NataliaRepository -Name vault -Bucket natalia-backup -Endpoint https://s3.eu-central-1.wasabisys.com -Region eu-central-1 -Credential (Get-Secret wasabi) -ImmutableDays 30
/// Get-NataliaRepository vault | Test-NataliaRepository</code>
/// <para>Makes an immutable repository off site, and proves the destination: among others by trying to delete a locked
/// object.</para>
/// </example>
/// <example>
/// <code>$password = Get-Secret natalia-backup
/// New-NataliaRepository -Name nas -Path \\nas\backup\natalia -Password $password
/// Export-NataliaProfile -Path C:\ProgramData\natalia.json -SecretName @{ nas = 'natalia-backup' }</code>
/// <para>Makes a repository on a NAS and keeps the connection in a profile for scheduled runs. The profile holds the
/// name of the secret, never the secret.</para>
/// </example>
/// <example>
/// <code>New-NataliaRepository -Name vault -Bucket natalia-backup -Region eu-west-3 -ImmutableWhileKept -LockAheadDays 21 -WhatIf</code>
/// <para>Shows what locks come to that follow the retention policy and are always held three weeks ahead.</para>
/// </example>
[Cmdlet(VerbsCommon.New, "NataliaRepository", DefaultParameterSetName = FolderPasswordSet, SupportsShouldProcess = true,
    ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(RepositorySession))]
public sealed class NewNataliaRepositoryCommand : RepositoryOpenerCommand
{
    /// <summary>
    /// The password, as SecureString, or as PSCredential whose user name does not matter. Left out, it is asked for,
    /// twice. When it is lost, so is everything in the repository: there is no second way in.
    /// </summary>
    [Parameter(ParameterSetName = FolderPasswordSet)]
    [Parameter(ParameterSetName = BucketPasswordSet)]
    [PasswordArgument]
    public SecureString? Password { get; set; }

    /// <summary>
    /// For how many days from its making each restore point, and everything it needs, is locked against deletion (1 to
    /// 36500). For a bucket, which must have Object Lock; a folder is refused (ObjectLockNotSupported). Cannot be
    /// shortened later; what is locked costs storage until its date.
    /// </summary>
    [Parameter(ParameterSetName = FolderPasswordSet)]
    [Parameter(ParameterSetName = FolderUnencryptedSet)]
    [Parameter(ParameterSetName = BucketPasswordSet)]
    [Parameter(ParameterSetName = BucketUnencryptedSet)]
    [ValidateRange(1, 36500)]
    public int? ImmutableDays { get; set; }

    /// <summary>
    /// Lock each restore point as long as the retention policy keeps it: its locks are extended by
    /// Invoke-NataliaBackup, Invoke-NataliaRetention and Optimize-NataliaRepository, and end soon after the policy lets
    /// it go. One of these must run at least once in -LockAheadDays. Instead of -ImmutableDays. The repository begins
    /// with the default policy of 7 daily, 4 weekly and 3 monthly points in UTC; Set-NataliaRetention changes it.
    /// </summary>
    [Parameter(ParameterSetName = FolderPasswordSet)]
    [Parameter(ParameterSetName = FolderUnencryptedSet)]
    [Parameter(ParameterSetName = BucketPasswordSet)]
    [Parameter(ParameterSetName = BucketUnencryptedSet)]
    public SwitchParameter ImmutableWhileKept { get; set; }

    /// <summary>
    /// With -ImmutableWhileKept: how many days ahead the locks of kept points are always held (2 to 36500), 14 by
    /// default. When nothing runs for so long, they end, and begin anew with the next run.
    /// </summary>
    [Parameter(ParameterSetName = FolderPasswordSet)]
    [Parameter(ParameterSetName = FolderUnencryptedSet)]
    [Parameter(ParameterSetName = BucketPasswordSet)]
    [Parameter(ParameterSetName = BucketUnencryptedSet)]
    [ValidateRange(2, 36500)]
    public int LockAheadDays { get; set; } = ImmutabilityPolicy.DefaultDaysAhead;

    /// <summary>
    /// How strong the locks are: Compliance, which nobody can lift before the date, or Governance, which an
    /// administrator with a special right can. Needs -ImmutableDays or -ImmutableWhileKept.
    /// </summary>
    [Parameter(ParameterSetName = FolderPasswordSet)]
    [Parameter(ParameterSetName = FolderUnencryptedSet)]
    [Parameter(ParameterSetName = BucketPasswordSet)]
    [Parameter(ParameterSetName = BucketUnencryptedSet)]
    public ObjectLockMode ImmutabilityMode { get; set; } = ObjectLockMode.Compliance;

    /// <summary>
    /// The storage class of packs of blocks, such as STANDARD_IA, GLACIER or DEEP_ARCHIVE; every later session uses it,
    /// too. Everything else lies in the bucket's default class, so that backups never need a thaw; reading a disk from
    /// an archive class needs one, see -Thaw of Export-NataliaDisk. Left out, packs lie in the default class, too.
    /// </summary>
    [Parameter(ParameterSetName = BucketPasswordSet)]
    [Parameter(ParameterSetName = BucketUnencryptedSet)]
    public string? StorageClass { get; set; }

    private protected override async Task<SecureString?> FindPasswordAsync() =>
        IsBound(nameof(Password))
            ? Password
            : await OnPipelineAsync(() => PasswordPrompt.AskNew(Host, "the repository")).ConfigureAwait(false);

    private protected override BucketSettings DescribeBucket(string name)
    {
        if (ImmutableDays is not null && ImmutableWhileKept)
            throw Invalid($"-ImmutableDays {ImmutableDays} locks each point for a fixed time, and -ImmutableWhileKept "
                + "as long as the retention policy keeps it: a repository has one or the other.",
                "Leave one of them out.");
        if (ImmutableDays is null && !ImmutableWhileKept && IsBound(nameof(ImmutabilityMode)))
            throw Invalid("-ImmutabilityMode says how strong locks are, but not for how long.",
                "Give -ImmutableDays or -ImmutableWhileKept too.");
        if (!ImmutableWhileKept && IsBound(nameof(LockAheadDays)))
            throw Invalid("-LockAheadDays says how far ahead the locks of kept points are held, which needs "
                + "-ImmutableWhileKept.",
                "Give -ImmutableWhileKept too, or -ImmutableDays for a fixed time.");
        return base.DescribeBucket(name) with { StorageClass = StorageClass, LockMode = Locks?.Mode };

        NataliaException Invalid(string what, string advice) =>
            new(ErrorIds.ImmutabilityInvalid, NataliaErrorKind.InvalidArgument, what, Bucket, advice);
    }

    private ImmutabilityPolicy? Locks =>
        ImmutableWhileKept
            ? new ImmutabilityPolicy(LockAheadDays, ImmutabilityMode, WhileKept: true)
            : ImmutableDays is int days ? new ImmutabilityPolicy(days, ImmutabilityMode) : null;

    private LockEffect? _effect;

    private static RetentionPolicy Usual => RetentionPolicy.For(BackupStrategy.Daily);

    private protected override async Task<bool> PrepareAsync(StoreSettings settings,
        CancellationToken cancellationToken)
    {
        if (settings is FolderStoreSettings && (Locks is not null || IsBound(nameof(ImmutabilityMode))
            || IsBound(nameof(LockAheadDays))))
            throw new NataliaException(ErrorIds.ObjectLockNotSupported, NataliaErrorKind.NotSupported,
                $"Nothing was made: the folder '{settings.Location}' cannot lock restore points against deletion; a "
                + "bucket with Object Lock can.", settings.Location,
                "Make the repository in such a bucket: New-NataliaRepository -Bucket NAME -ImmutableDays 30. Or make "
                + "it here without locks, and copy its points to one in a bucket: Register-NataliaSchedule -CopyTo, "
                + "or Copy-NataliaRestorePoint.");
        settings.EnsureEmpty();
        string action = settings.Access == RepositoryAccess.Unencrypted
            ? "Make a repository WITHOUT encryption"
            : "Make an encrypted repository";
        if (Locks is ImmutabilityPolicy locks)
        {
            _effect = LockEffect.Compute([], Usual, locks, DateTime.UtcNow);
            string strength = locks.Mode == ObjectLockMode.Compliance
                ? "which nobody can lift"
                : "which only an administrator with a special right can lift";
            string period = locks.WhileKept
                ? $"as long as the retention policy keeps it, {Plural.Count(locks.Days, "day")} ahead"
                : $"for {Plural.Count(locks.Days, "day")} from its making";
            string text =
                $"Each point is locked {period}, {strength}. With the policy {Usual}: {LockEffectText.All(_effect)}";
            EmitVerbose(text);
            action += ". " + text;
        }
        return await ShouldProcessAsync(settings.Location, action).ConfigureAwait(false);
    }

    private protected override async Task<RepositoryConnection?> OpenAsync(StoreSettings settings,
        RepositoryPassword? password, CancellationToken cancellationToken)
    {
        RepositoryConnection made = await ConnectionFactory.CreateRepositoryAsync(settings, password,
            Credential.ToUser(), Locks, Locks?.WhileKept == true ? Usual : null,
            cancellationToken).ConfigureAwait(false);
        if (_effect is not null) made.Tell(_effect);
        return made;
    }
}
