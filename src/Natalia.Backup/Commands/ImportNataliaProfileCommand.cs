using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Errors;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Kinds;
using Natalia.Backup.Operations.Profiles;
using Natalia.Backup.Pipeline;

namespace Natalia.Backup.Commands;

/// <summary>Connects everything that a profile file names.</summary>
/// <remarks>
/// <para>Secrets are asked for by name. -SecretResolver is a script block that gets the name as $args[0] and returns a
/// SecureString or a PSCredential. Without one, Get-Secret is called, which comes with
/// Microsoft.PowerShell.SecretManagement.</para>
/// <para>A connection that is open already under its name, and leads to the same place, is left as it is: importing a
/// profile twice does no harm.</para>
/// <para>What cannot be connected is a warning here, and stands under NotConnected in the result; the others are open,
/// so that a script with $ErrorActionPreference = 'Stop' goes on and protects what can be reached. It is not forgotten:
/// Invoke-NataliaBackup and every command that looks at everything write an error for it when they have done their
/// work, and a command that names it fails with the reason. Importing again connects it when it is back;
/// Disconnect-NataliaRepository and Disconnect-NataliaHypervisor with its name say that it is to be done without. When
/// nothing of the profile can be connected, and when a name is in use for something else, that is an error at
/// once.</para>
/// <para>Get-Help Export-NataliaProfile -Full describes the file.</para>
/// </remarks>
/// <example>
/// <code>Import-NataliaProfile C:\ProgramData\natalia.json</code>
/// <para>Connects, with passwords from the vaults that SecretManagement knows.</para>
/// </example>
/// <example>
/// <code>$ErrorActionPreference = 'Stop'
/// Import-NataliaProfile ./natalia.json -SecretResolver { Get-AutomationPSCredential -Name $args[0] }
/// Get-NataliaAppliance | Invoke-NataliaBackup</code>
/// <para>A whole runbook: connects with the credentials of the automation account, and backs up every enrolled
/// appliance.</para>
/// </example>
[Cmdlet(VerbsData.Import, "NataliaProfile")]
[OutputType(typeof(ConnectionProfile))]
public sealed class ImportNataliaProfileCommand : NataliaCommand
{
    private readonly List<(string Name, string Noun, Exception Why)> _away = [];

    /// <summary>
    /// The profile file. Relative paths, ~ and PowerShell drives are welcome; wildcards are taken literally.
    /// </summary>
    [Parameter(Mandatory = true, Position = 0)]
    [ValidateNotNullOrEmpty]
    public string Path { get; set; } = "";

    /// <summary>
    /// Returns the secret whose name is in $args[0], as SecureString or PSCredential. Left out, Get-Secret is called.
    /// </summary>
    [Parameter]
    public ScriptBlock? SecretResolver { get; set; }

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        string file = await OnPipelineAsync(() => FilePaths.Resolve(SessionState, Path)).ConfigureAwait(false);
        ProfileDocument profile = ProfileFile.Read(file);
        ProfileFile.EnsureHypervisors(file, profile, name => Registry.Hypervisors.IsNamed(name));
        foreach (HypervisorSettings settings in profile.Hypervisors)
            await TryAsync(Registry.Hypervisors, settings.Name, null, async () =>
            {
                if (!IsOpen(Registry.Hypervisors, settings.Name, c => settings.LeadsTo(c.Settings)))
                    Registry.Hypervisors.Add(await OpenHypervisorAsync(settings,
                        cancellationToken).ConfigureAwait(false));
            }, cancellationToken).ConfigureAwait(false);
        // The evidence of one lies in another, which must be there before it.
        foreach (RepositoryConnectionSettings settings in profile.Repositories
            .OrderBy(r => r is HypervisorStorageSettings ? 1 : 0))
            await TryAsync(Registry.Repositories, settings.Name,
                (settings as HypervisorStorageSettings)?.Hypervisor, async () =>
            {
                if (IsOpen(Registry.Repositories, settings.Name, c => settings.LeadsTo(c.Settings))) return;
                RepositoryConnection opened = await OpenRepositoryAsync(settings,
                    cancellationToken).ConfigureAwait(false);
                Registry.Repositories.Add(opened);
                if (Registry.Repositories.DescribeTwin(opened) is string twin) EmitWarning(twin);
            }, cancellationToken).ConfigureAwait(false);
        bool isUseless = _away.Count > 0 && _away.Count == profile.Hypervisors.Count + profile.Repositories.Count;
        foreach ((string name, string noun, Exception why) in _away)
        {
            // With nothing connected there is nothing that could go on.
            if (isUseless) DeferError(why, name);
            else EmitWarning($"The {noun} '{name}' could not be connected: {ErrorRecordFactory.Known(why).Message} "
                + "What needs it will fail; what does not goes on.");
        }
        Emit(profile.Describe(file) with { NotConnected = [.. _away.Select(a => a.Name)] });
    }

    /// <summary>
    /// What fails is remembered: a night whose off-site copy is away must still make the local backup, and fail at its
    /// end.
    /// </summary>
    private async Task TryAsync<T>(SessionTable<T> table, string name, string? hypervisor, Func<Task> connectAsync,
        CancellationToken cancellationToken)
        where T : class, IConnection
    {
        try
        {
            await connectAsync().ConfigureAwait(false);
        }
        catch (NataliaException e) when (e.ErrorId == ErrorIds.NameInUse)
        {
            // Going on would take another place for the one that the profile means.
            DeferError(e, name);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            table.Miss(new AwayConnection(name, ErrorRecordFactory.Known(e), hypervisor));
            _away.Add((name, table is SessionTable<HypervisorConnection> ? "hypervisor" : "repository", e));
        }
    }

    private static bool IsOpen<T>(SessionTable<T> table, string name, Func<T, bool> isSame) where T : class, IConnection
    {
        T? open = table.All.FirstOrDefault(c => string.Equals(c.Name, name, StringComparison.OrdinalIgnoreCase));
        if (open is not null && !isSame(open)) table.EnsureFree(name);
        return open is not null;
    }

    private async Task<HypervisorConnection> OpenHypervisorAsync(HypervisorSettings settings,
        CancellationToken cancellationToken) =>
        await ConnectionFactory.OpenHypervisorAsync(settings, await FindLoginAsync(settings).ConfigureAwait(false),
            cancellationToken).ConfigureAwait(false);

    private async Task<RepositoryConnection> OpenRepositoryAsync(RepositoryConnectionSettings settings,
        CancellationToken cancellationToken)
    {
        if (settings is HypervisorStorageSettings storage)
            return await ConnectionFactory.OpenNativeRepositoryAsync(storage,
                Registry.Hypervisors.Get(storage.Hypervisor),
                await FindEvidenceAsync(storage, cancellationToken).ConfigureAwait(false),
                cancellationToken).ConfigureAwait(false);
        var store = (StoreSettings)settings;
        // A resolver may ask a person: not for a place that is not there.
        store.EnsureThere();
        UserCredential? credential = await FindLoginAsync(store).ConfigureAwait(false);
        using RepositoryPassword? password = store.PasswordSecret is string secret
            ? RepositoryPassword.From(await OnPipelineAsync(() => Secrets.Password(secret)).ConfigureAwait(false))
            : null;
        RepositoryConnection opened = await ConnectionFactory.OpenRepositoryAsync(store, password, credential,
            cancellationToken).ConfigureAwait(false);
        if (opened.KeySlotWarning is string warning) EmitWarning(warning);
        return opened;
    }

    private async Task<UserCredential?> FindLoginAsync(ConnectionSettings settings) =>
        settings.LoginSecret is string secret
            ? await OnPipelineAsync(() => Secrets.Credential(secret).ToUser()).ConfigureAwait(false)
            : null;

    /// <summary>
    /// The nightly backup is made although the place for its evidence is away; what removes something will be refused
    /// until it is back.
    /// </summary>
    private async Task<RepositoryConnection?> FindEvidenceAsync(HypervisorStorageSettings settings,
        CancellationToken cancellationToken)
    {
        if (settings.EvidenceRepository is not string name) return null;
        try
        {
            RepositoryConnection evidence = Registry.Repositories.Get(name);
            await evidence.Repository.EnsureRecordableAsync(cancellationToken).ConfigureAwait(false);
            return evidence;
        }
        catch (NataliaException e)
        {
            EmitWarning($"The evidence of the repository '{settings.Name}' cannot be kept in '{name}' now: "
                + $"{e.Message} Backups are made all the same; nothing is removed from it until that is mended.");
            return null;
        }
    }

    private SecretLookup Secrets => new(InvokeCommand, SecretResolver);
}
