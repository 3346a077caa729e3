using System.Management.Automation;
using System.Security;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Kinds;
using Natalia.Backup.Storage.S3;

namespace Natalia.Backup.Commands;

/// <summary>Connects this PowerShell session to a repository.</summary>
/// <remarks>
/// <para>The connection stays in the session (the runspace) until it is disconnected, the module is removed or the
/// session ends. Other sessions, jobs and runbooks do not see it.</para>
/// <para>-ProxmoxStorage takes a backup storage of a connected Proxmox VE cluster as a repository. Its restore points
/// are listed, tested, protected and removed like those of this product, and VMs of the cluster are backed up to it;
/// Proxmox keeps no audit log and no reasons: -EvidenceRepository names a connected repository of this product that
/// does. Without one a warning says so.</para>
/// <para>Connecting changes nothing outside the session and asks nothing. Only -RebuildSettings may write a file into
/// the repository: with -WhatIf it tells whether it would, and connects only where nothing is to be made again.</para>
/// <para>-AuditOnly opens an encrypted repository without its password. Then every object can be checked for damage and
/// the audit log can be read, but no restore point.</para>
/// </remarks>
/// <example>
/// <code>Connect-NataliaRepository E:\NataliaBackup
/// Get-NataliaRestorePoint</code>
/// <para>Asks for the password, connects, and lists the restore points.</para>
/// </example>
/// <example>
/// <code>$ErrorActionPreference = 'Stop'
/// Connect-NataliaRepository -Path \\nas\backup\natalia -Password (Get-AutomationPSCredential natalia-backup)
/// if (-not (Get-NataliaRestorePoint -Latest | Test-NataliaRestorePoint -Quiet)) { throw 'A newest restore point is damaged.' }</code>
/// <para>A runbook that proves the newest restore point of every appliance each night, and fails when one is damaged or
/// there is none.</para>
/// </example>
/// <example>
/// <code>Connect-NataliaRepository -Path \\nas\backup\evidence -Name evidence
/// Connect-NataliaRepository -ProxmoxStorage pbs -EvidenceRepository evidence</code>
/// <para>Takes a Proxmox Backup Server as a repository; what is done there is recorded in the other one.</para>
/// </example>
/// <example>
/// <code>Connect-NataliaRepository -Path \\nas\backup\natalia -AuditOnly | Test-NataliaRepository -Full</code>
/// <para>Checks every object of a repository from a machine that does not know the password.</para>
/// </example>
/// <example>
/// <code>Connect-NataliaRepository -Path \\nas\backup\natalia -Credential (Get-Secret nas-user)</code>
/// <para>Connects, on Windows, to a share as another user than the one who runs the command.</para>
/// </example>
/// <example>
/// <code>Connect-NataliaRepository -Path \\nas\backup\natalia -RebuildSettings | Repair-NataliaRepository -Full -WhatIf</code>
/// <para>Opens a repository whose natalia.json was deleted, and tells what else is lost.</para>
/// </example>
[Cmdlet(VerbsCommunications.Connect, "NataliaRepository", DefaultParameterSetName = FolderPasswordSet,
    SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(RepositorySession))]
public sealed class ConnectNataliaRepositoryCommand : RepositoryOpenerCommand
{
    private const string ProxmoxStorageSet = "ProxmoxStorage";

    // The sets without a password are this command's alone: where a repository is made, no set may do without the
    // choice of a password.
    /// <summary>
    /// The repository's folder, on a disk or a share. Relative paths, ~ and PowerShell drives are welcome; wildcards
    /// are taken literally.
    /// </summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = FolderPasswordSet)]
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = FolderUnencryptedSet)]
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = FolderAuditOnlySet)]
    [ValidateNotNullOrEmpty]
    public override string Path { get; set; } = "";

    /// <summary>
    /// The name of an S3 bucket that exists. For immutable repositories it must have been made with Object Lock.
    /// </summary>
    [Parameter(Mandatory = true, ParameterSetName = BucketPasswordSet)]
    [Parameter(Mandatory = true, ParameterSetName = BucketUnencryptedSet)]
    [Parameter(Mandatory = true, ParameterSetName = BucketAuditOnlySet)]
    [ValidateNotNullOrEmpty]
    public override string Bucket { get; set; } = "";

    /// <summary>
    /// The address of the S3 server, such as https://s3.eu-central-1.wasabisys.com. Left out, AWS is meant.
    /// </summary>
    [Parameter(ParameterSetName = BucketPasswordSet)]
    [Parameter(ParameterSetName = BucketUnencryptedSet)]
    [Parameter(ParameterSetName = BucketAuditOnlySet)]
    public override Uri? Endpoint { get; set; }

    /// <summary>The bucket's region, such as eu-west-3. Left out, AWS_REGION for AWS, else us-east-1.</summary>
    [Parameter(ParameterSetName = BucketPasswordSet)]
    [Parameter(ParameterSetName = BucketUnencryptedSet)]
    [Parameter(ParameterSetName = BucketAuditOnlySet)]
    public override string? Region { get; set; }

    /// <summary>
    /// Where requests name the bucket: Path (https://host/bucket), Virtual (https://bucket.host), or Auto, the default:
    /// Virtual at AWS, Path at an address or at localhost; elsewhere Path, and where the server refuses that, Virtual.
    /// What was found goes into profiles.
    /// </summary>
    [Parameter(ParameterSetName = BucketPasswordSet)]
    [Parameter(ParameterSetName = BucketUnencryptedSet)]
    [Parameter(ParameterSetName = BucketAuditOnlySet)]
    public override S3AddressingStyle AddressingStyle { get; set; }

    /// <summary>What all keys of the repository begin with, so that several repositories share a bucket.</summary>
    [Parameter(ParameterSetName = BucketPasswordSet)]
    [Parameter(ParameterSetName = BucketUnencryptedSet)]
    [Parameter(ParameterSetName = BucketAuditOnlySet)]
    public override string? Prefix { get; set; }

    /// <summary>
    /// With -Bucket: the access key as user name and its secret as password. Left out, the AWS SDK's own chain is used:
    /// environment, profile, role of the machine. With -Path, on Windows and for a UNC path: the user of the share; the
    /// connection ends with the session. Left out, Windows takes the account that runs the command.
    /// </summary>
    [Parameter(ParameterSetName = FolderPasswordSet)]
    [Parameter(ParameterSetName = FolderUnencryptedSet)]
    [Parameter(ParameterSetName = FolderAuditOnlySet)]
    [Parameter(ParameterSetName = BucketPasswordSet)]
    [Parameter(ParameterSetName = BucketUnencryptedSet)]
    [Parameter(ParameterSetName = BucketAuditOnlySet)]
    [Credential]
    public override PSCredential? Credential { get; set; }

    /// <summary>
    /// The SHA-256 fingerprint of the S3 server's certificate. When it is given, exactly this certificate is trusted
    /// and no other.
    /// </summary>
    [Parameter(ParameterSetName = BucketPasswordSet)]
    [Parameter(ParameterSetName = BucketUnencryptedSet)]
    [Parameter(ParameterSetName = BucketAuditOnlySet)]
    public override string? ServerCertificateThumbprint { get; set; }

    /// <summary>Open it without the password: for checks and the audit log, not for restore points.</summary>
    [Parameter(Mandatory = true, ParameterSetName = FolderAuditOnlySet)]
    [Parameter(Mandatory = true, ParameterSetName = BucketAuditOnlySet)]
    public SwitchParameter AuditOnly { get; set; }

    /// <summary>
    /// Make the file natalia.json again when it is missing or damaged. All that it says can be derived from a key slot
    /// and the first audit record; that takes seconds. A file that is whole is left alone.
    /// </summary>
    [Parameter(ParameterSetName = FolderPasswordSet)]
    [Parameter(ParameterSetName = FolderUnencryptedSet)]
    [Parameter(ParameterSetName = BucketPasswordSet)]
    [Parameter(ParameterSetName = BucketUnencryptedSet)]
    public SwitchParameter RebuildSettings { get; set; }

    /// <summary>
    /// The name of a backup storage of a Proxmox VE cluster: a Proxmox Backup Server, a NAS. The cluster itself puts
    /// the restore points there.
    /// </summary>
    [Parameter(Mandatory = true, ParameterSetName = ProxmoxStorageSet)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(BackupStorageCompleter))]
    public string ProxmoxStorage { get; set; } = "";

    /// <summary>
    /// The Proxmox VE cluster: the session that Connect-NataliaHypervisor returned, or its name. Left out, the only one
    /// that is connected.
    /// </summary>
    [Parameter(ParameterSetName = ProxmoxStorageSet)]
    [HypervisorReference]
    [ArgumentCompleter(typeof(HypervisorCompleter))]
    public string? Hypervisor { get; set; }

    /// <summary>
    /// The repository of this product that keeps what Proxmox has no place for: which backups were made, what was
    /// protected, unprotected and removed and why, which policies were set, what was verified and restored. The session
    /// that Connect-NataliaRepository returned, or its name. Get-NataliaAuditRecord and Test-NataliaAudit read it.
    /// </summary>
    [Parameter(ParameterSetName = ProxmoxStorageSet)]
    [RepositoryReference]
    [ArgumentCompleter(typeof(OwnRepositoryCompleter))]
    public string? EvidenceRepository { get; set; }

    /// <summary>
    /// The password, as SecureString, or as PSCredential whose user name does not matter. Left out, it is asked for;
    /// where nobody can be asked, that is the error PasswordRequired. When it is lost, so is everything in the
    /// repository: there is no second way in.
    /// </summary>
    // Not mandatory: PowerShell could not choose between sets that all want something, and its own question does not
    // say what for. It is asked for below.
    [Parameter(ParameterSetName = FolderPasswordSet)]
    [Parameter(ParameterSetName = BucketPasswordSet)]
    [PasswordArgument]
    public SecureString? Password { get; set; }

    private protected override async Task<SecureString?> FindPasswordAsync() =>
        IsBound(nameof(Password))
            ? Password
            : await OnPipelineAsync(
                () => PasswordPrompt.Ask(Host,
                    $"the repository '{(Bucket.Length > 0 ? Bucket : Path)}'")).ConfigureAwait(false);

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        if (ParameterSetName != ProxmoxStorageSet)
        {
            await base.ProcessAsync(cancellationToken).ConfigureAwait(false);
            return;
        }
        HypervisorConnection hypervisor = ChooseCluster();
        if (Registry.Repositories.All.FirstOrDefault(
            r => r.Hypervisor == hypervisor
                && string.Equals(r.Native?.Storage, ProxmoxStorage, StringComparison.Ordinal))
            is RepositoryConnection there)
            throw new NataliaException(ErrorIds.RepositoryConnected, NataliaErrorKind.AlreadyExists,
                $"The storage '{ProxmoxStorage}' of '{hypervisor.Name}' is connected already, as '{there.Name}'.",
                ProxmoxStorage,
                $"Use that session. To connect it under another name, or with another -EvidenceRepository, disconnect "
                + $"it first: Disconnect-NataliaRepository '{there.Name}'.");
        string name = Name ?? Registry.Repositories.GetFreeName(ProxmoxStorage);
        Registry.Repositories.EnsureFree(name);
        var settings = new ProxmoxStorageSettings
        {
            Name = name,
            Path = ProxmoxStorage,
            Access = RepositoryAccess.Hypervisor,
            Hypervisor = hypervisor.Name,
        };
        RepositoryConnection? evidence = string.IsNullOrEmpty(EvidenceRepository)
            ? null
            : Registry.Repositories.Get(EvidenceRepository!);
        RepositoryConnection connection =
            await ConnectionFactory.OpenNativeRepositoryAsync(settings with { EvidenceRepository = evidence?.Name },
            hypervisor, evidence, cancellationToken).ConfigureAwait(false);
        Registry.Repositories.Add(connection);
        if (evidence is null)
            EmitWarning($"The storage '{ProxmoxStorage}' keeps no audit log: who protected or removed a restore "
                + "point, and why, is recorded nowhere, and audits of it read NotEvidenced. Name a repository of this "
                + "product with -EvidenceRepository to keep that.");
        Emit(connection.Session);
    }

    /// <summary>A folder of exports that is connected beside the one cluster makes nothing ambiguous.</summary>
    private HypervisorConnection ChooseCluster()
    {
        if (!string.IsNullOrEmpty(Hypervisor)) return Registry.Hypervisors.Get(Hypervisor!);
        List<HypervisorConnection> clusters = [.. Registry.Hypervisors.All
            .Where(h => h.Hypervisor.Find<INativeProtection>() is not null)];
        return clusters.Count == 1 ? clusters[0] : Registry.Hypervisors.ForWriting(null);
    }

    private protected override async Task<bool> PrepareAsync(StoreSettings settings,
        CancellationToken cancellationToken)
    {
        if (Access != RepositoryAccess.Password || IsBound(nameof(Password))) return true;
        if (RebuildSettings)
        {
            SettingsState state = await ConnectionFactory.InspectSettingsAsync(settings, Credential.ToUser(),
                cancellationToken).ConfigureAwait(false);
            return state == SettingsState.Whole || !await OnPipelineAsync(IsWhatIf).ConfigureAwait(false)
                || await ConfirmRebuildAsync(settings, state).ConfigureAwait(false);
        }
        await ConnectionFactory.EnsureEncryptedAsync(settings, Credential.ToUser(),
            cancellationToken).ConfigureAwait(false);
        return true;
    }

    private Task<bool> ConfirmRebuildAsync(StoreSettings settings, SettingsState state) =>
        ShouldProcessAsync(settings.Location, $"Make the file natalia.json again, which is {Word(state)}");

    private static string Word(SettingsState state) => state == SettingsState.Damaged ? "damaged" : "missing";

    private protected override async Task<RepositoryConnection?> OpenAsync(StoreSettings settings,
        RepositoryPassword? password, CancellationToken cancellationToken)
    {
        if (RebuildSettings
            && await ConnectionFactory.InspectSettingsAsync(settings, Credential.ToUser(),
                cancellationToken).ConfigureAwait(false) is var state and not SettingsState.Whole)
        {
            if (!await ConfirmRebuildAsync(settings, state).ConfigureAwait(false)) return null;
            await ConnectionFactory.RebuildSettingsAsync(settings, password, Credential.ToUser(),
                cancellationToken).ConfigureAwait(false);
            EmitWarning($"The file natalia.json of the repository '{settings.Location}' was {Word(state)}, and was "
                + "made again. Run Repair-NataliaRepository -Full -WhatIf to see what else is damaged.");
        }
        RepositoryConnection opened = await ConnectionFactory.OpenRepositoryAsync(settings, password,
            Credential.ToUser(), cancellationToken).ConfigureAwait(false);
        if (opened.KeySlotWarning is string warning) EmitWarning(warning);
        return opened;
    }
}
