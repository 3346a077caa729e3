using System.Collections;
using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Exports;
using Natalia.Backup.Operations.Profiles;
using Natalia.Backup.Pipeline;

namespace Natalia.Backup.Commands;

/// <summary>Writes this session's connections to a profile file, without secrets.</summary>
/// <remarks>
/// <para>A profile is what a scheduled run starts with: Import-NataliaProfile connects everything in it. It holds where
/// things are and the names of secrets; the secrets stay in their vault.</para>
/// <para>The file is JSON: { "format": "natalia-profile", "version": 1, "hypervisors": [ … ], "repositories": [ … ] }.
/// A hypervisor has name, kind (Folder) and path. A repository has name, kind (Folder), path, access (Password,
/// Unencrypted or AuditOnly) and, for access Password, passwordSecret: the name of the secret that holds its password.
/// A Proxmox VE cluster has kind Proxmox, hosts, port, thumbprints or caCertificate, and credentialSecret; a storage of
/// it is a repository of kind Proxmox with access Hypervisor, path (the storage's name), hypervisor, and
/// evidenceRepository where one keeps its evidence. Relative paths count from the profile's folder. Members that are
/// not known are refused.</para>
/// <para>While something is away that an imported profile names, a profile of all sessions is refused: it would lose
/// what is away. Name what is to be kept, or disconnect what is to be done without.</para>
/// <para>The name of a repository's secret comes from -SecretName, else from the profile that it was connected with,
/// else it is "natalia-" and the session's name. The access key of a bucket that was connected with -Credential is a
/// second secret: that name with "-s3" behind it, a PSCredential.</para>
/// </remarks>
/// <example>
/// <code>Connect-NataliaHypervisor D:\Exports -Name exports
/// Connect-NataliaRepository \\nas\backup\natalia -Name nas
/// Export-NataliaProfile C:\ProgramData\natalia.json</code>
/// <para>Keeps two connections. The secret that the profile names is natalia-nas.</para>
/// </example>
/// <example>
/// <code>Export-NataliaProfile -Path ./natalia.json -Repository nas -SecretName @{ nas = 'backup/natalia' } -Force
/// Import-NataliaProfile ./natalia.json -SecretResolver { Get-AutomationPSCredential -Name $args[0] }</code>
/// <para>Keeps one repository under the name that its secret has in the vault, and connects again as a runbook
/// would.</para>
/// </example>
[Cmdlet(VerbsData.Export, "NataliaProfile", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(ConnectionProfile))]
public sealed class ExportNataliaProfileCommand : NataliaCommand
{
    /// <summary>
    /// The file to write. Relative paths, ~ and PowerShell drives are welcome; wildcards are taken literally.
    /// </summary>
    [Parameter(Mandatory = true, Position = 0)]
    [ValidateNotNullOrEmpty]
    public string Path { get; set; } = "";

    /// <summary>The hypervisor sessions to keep: objects, names or wildcards. Left out, all of them.</summary>
    [Parameter]
    [HypervisorReference]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(HypervisorCompleter))]
    public string[]? Hypervisor { get; set; }

    /// <summary>The repository sessions to keep: objects, names or wildcards. Left out, all of them.</summary>
    [Parameter]
    [RepositoryReference]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    public string[]? Repository { get; set; }

    /// <summary>
    /// The name of the secret of each repository, as a table from session to secret: @{ nas = 'backup/natalia' }.
    /// </summary>
    [Parameter]
    [ValidateNotNull]
    public Hashtable SecretName { get; set; } = [];

    /// <summary>Replace a file of that name.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override bool FailsAsAWhole => true;

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        if (Hypervisor is null) RequireAll(Registry.Hypervisors);
        if (Repository is null) RequireAll(Registry.Repositories);
        string file = await OnPipelineAsync(() => FilePaths.Resolve(SessionState, Path)).ConfigureAwait(false);
        IReadOnlyList<HypervisorConnection> hypervisors = Registry.Hypervisors.ByName(Wildcards.ParseAll(Hypervisor),
            e => throw e);
        IReadOnlyList<RepositoryConnection> repositories = Registry.Repositories.ByName(Wildcards.ParseAll(Repository),
            e => throw e);
        Dictionary<string, string> secrets = SecretName.Cast<DictionaryEntry>()
            .ToDictionary(e => $"{e.Key}", e => $"{e.Value}", StringComparer.OrdinalIgnoreCase);
        foreach (string name in secrets.Keys)
        {
            if (!repositories.Any(r => string.Equals(r.Name, name, StringComparison.OrdinalIgnoreCase))
                && !hypervisors.Any(h => string.Equals(h.Name, name, StringComparison.OrdinalIgnoreCase)))
                throw new NataliaException(ErrorIds.RepositoryNotConnected, NataliaErrorKind.NotFound,
                    $"-SecretName names '{name}', which is none of the sessions that are kept.", name,
                    "Its keys are names of sessions.");
        }
        var profile = new ProfileDocument([.. hypervisors.Select(h => h.Settings.WithSecrets(NameOf(h.Name)))],
            [.. repositories.Select(r => r.Settings.WithSecrets(NameOf(r.Name)))]);
        ExportDestination.EnsureWritable(file, Force);
        if (!await ShouldProcessAsync(file,
            $"Write a profile of {Plural.Count(hypervisors.Count, "hypervisor")} and "
                + Plural.Count(repositories.Count, "repository", "repositories"))
            .ConfigureAwait(false))
            return;
        AtomicFile.Write(file, ProfileFile.Write(profile), Force);
        Emit(profile.Describe(file));
        await TellOfMissingSecretsAsync(profile).ConfigureAwait(false);

        string? NameOf(string session) =>
            secrets.TryGetValue(session, out string? named) && named.Length > 0 ? named : null;
    }

    /// <summary>Better now, with a person at the prompt, than in the first night.</summary>
    private async Task TellOfMissingSecretsAsync(ProfileDocument profile)
    {
        string[] names = [.. profile.Hypervisors.SelectMany(h => h.Secrets)
            .Concat(profile.Repositories.SelectMany(r => r.Secrets)).Distinct()];
        if (await OnPipelineAsync(() => SecretLookup.FindObstacle(InvokeCommand, names)).ConfigureAwait(false)
            is string obstacle)
            EmitWarning("The profile was written. What imports it will ask for "
                + $"{Plural.Count(names.Length, "secret")}: {string.Join(", ", names.Select(n => $"'{n}'"))}. "
                + obstacle);
    }

    /// <summary>A profile of all sessions would lose what an import could not connect.</summary>
    private static void RequireAll<T>(SessionTable<T> sessions) where T : class, IConnection
    {
        if (sessions.Away.Count > 0) throw sessions.Missing(sessions.Away[0]);
    }
}
