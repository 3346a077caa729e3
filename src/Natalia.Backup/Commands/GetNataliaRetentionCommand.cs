using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Retention;

namespace Natalia.Backup.Commands;

/// <summary>Shows which retention policy holds for which appliance.</summary>
/// <remarks>
/// <para>An appliance without a policy of its own has its repository's default; Source tells which. Alone, it lists the
/// default of each connected repository and every appliance that the repository knows.</para>
/// <para>In a storage of Proxmox VE the default is the storage's own retention, which every backup job applies that
/// brings none. Where the storage has none, that of the node's vzdump.conf is applied: Source Host.</para>
/// <para>Source None means that no policy is set: everything is kept, and Invoke-NataliaRetention refuses.</para>
/// </remarks>
/// <example>
/// <code>Get-NataliaRetention</code>
/// <para>Lists the policies of everything.</para>
/// </example>
/// <example>
/// <code>Get-NataliaRetention | Where-Object Source -eq None</code>
/// <para>Finds appliances for which nobody has set a policy.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "NataliaRetention")]
[OutputType(typeof(RetentionSetting))]
public sealed class GetNataliaRetentionCommand : RepositoryReaderCommand
{
    private readonly RetentionCache _cache;

    /// <summary>Makes the command.</summary>
    public GetNataliaRetentionCommand() => _cache = new RetentionCache(damage => EmitWarning(damage.Message));

    /// <summary>
    /// The appliance: an object of Get-NataliaAppliance, its name, or a wildcard. Left out, everything is listed.
    /// </summary>
    [Parameter(Position = 0)]
    [Alias("VMName", "ApplianceName")]
    [ApplianceReference]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(ApplianceCompleter))]
    public string[]? Appliance { get; set; }

    /// <summary>The appliance's id. Bound from appliances and restore points that are piped in.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(ApplianceIdCompleter))]
    public string[]? ApplianceId { get; set; }

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<RepositoryConnection> repositories = RepositoriesToRead();
        IReadOnlyList<ApplianceSelector> selectors = Wildcards.Selectors((Appliance ?? []).Concat(ApplianceId ?? []));
        // A repository's default that is piped in has an id that is empty, and means the repository.
        if (selectors.Count == 0 && (IsSaid(nameof(Appliance)) || IsSaid(nameof(ApplianceId))))
            throw References.NoApplianceNamed();
        List<RepositoryRetention> retentions = [];
        foreach (RepositoryConnection repository in repositories)
        {
            try
            {
                retentions.Add(await _cache.ReadAsync(repository, cancellationToken).ConfigureAwait(false));
            }
            catch (Exception e) when (repositories.Count > 1 && !cancellationToken.IsCancellationRequested)
            {
                DeferError(e, repository.Session);
            }
        }
        ILookup<RepositoryConnection, RetentionSubject> chosen = RepositoryRetention.Select(selectors,
            retentions, missing =>
        {
            if (missing.Miss(() => RepositoryRetention.NotFound(missing, repositories)) is NataliaException miss)
                EmitError(miss);
        }).ToLookup(s => s.Repository);
        foreach (RepositoryRetention retention in retentions)
        {
            if (selectors.Count == 0)
                Emit(RetentionSetting.Create(retention.Repository.Name, retention.Repository.Session.RepositoryId, null,
                    null, retention.Default));
            foreach (RetentionSubject subject in chosen[retention.Repository]) Emit(subject.ToSetting());
        }
    }
}
