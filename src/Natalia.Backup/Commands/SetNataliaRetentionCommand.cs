using System.Globalization;
using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Immutability;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Retention;
using Natalia.Backup.Pipeline;

namespace Natalia.Backup.Commands;

/// <summary>Sets how long restore points are kept: for an appliance, or as a repository's default.</summary>
/// <remarks>
/// <para>The policy is kept with the repository, so that every machine applies the same one. It removes nothing by
/// itself: Invoke-NataliaRetention does, and Get-NataliaRetentionPlan shows what it would do. Without -Appliance the
/// policy becomes the repository's default, which holds for every appliance without a policy of its own.</para>
/// <para>The rules that are given are the whole policy; those that are left out are off. When no rule is given, it is 7
/// daily, 4 weekly and 3 monthly points, with -Strategy SixHourly also the last 4, so that today's points survive. With
/// -Strategy, rules that are given replace those of the strategy. -TimeZone alone changes the zone of a policy that is
/// set, and nothing else.</para>
/// <para>In an immutable repository, it says before it saves anything what the policy and the locks come to together:
/// how many points, and bytes, stay locked after the policy has let them go, and which are kept for longer than they
/// are locked. What cannot work, such as locks that end before the next point is made, is refused with the
/// numbers.</para>
/// <para>When the new policy would remove points that are kept now, it says how many and asks. In a script, -Force or
/// -Confirm:$false answers that. A policy whose every rule is 0 is refused.</para>
/// </remarks>
/// <example>
/// <code>Set-NataliaRetention -TimeZone Europe/Paris</code>
/// <para>Makes 7 daily, 4 weekly and 3 monthly points the default of the connected repository.</para>
/// </example>
/// <example>
/// <code>Set-NataliaRetention -Appliance natalia-paris -Strategy SixHourly -TimeZone Europe/Paris</code>
/// <para>Keeps the last 4 points, too, as suits a backup every six hours.</para>
/// </example>
/// <example>
/// <code>Get-NataliaAppliance | Set-NataliaRetention -Daily 14 -Weekly 8 -Monthly 12 -Yearly 5 -Force</code>
/// <para>Sets the same policy for every enrolled appliance, from a script.</para>
/// </example>
[Cmdlet(VerbsCommon.Set, "NataliaRetention", DefaultParameterSetName = RulesSet, SupportsShouldProcess = true,
    ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(RetentionSetting))]
public sealed class SetNataliaRetentionCommand : RetentionRulesCommand
{
    private const string RulesSet = "Rules";
    private const string InheritSet = "Inherit";

    private readonly RetentionCache _cache;
    private ApplianceDirectory? _directory;

    /// <summary>Makes the command.</summary>
    public SetNataliaRetentionCommand() => _cache = new RetentionCache(damage => EmitWarning(damage.Message));

    /// <summary>
    /// The appliance: an object of Get-NataliaAppliance, its name, or a wildcard. Left out, the repository's default is
    /// set.
    /// </summary>
    [Parameter(Position = 0, ParameterSetName = RulesSet)]
    [Parameter(Position = 0, ParameterSetName = InheritSet)]
    [Alias("VMName", "ApplianceName")]
    [ApplianceReference]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ApplianceCompleter))]
    public string[]? Appliance { get; set; }

    /// <summary>
    /// What is piped in: appliances, their names, VMs of the hypervisor's own module, rows with a VMName or Name,
    /// restore points or sessions of repositories. What names no appliance is refused, and so are rows of a plan,
    /// results of checks and audit records, though they carry the ids of appliances.
    /// </summary>
    [Parameter(ValueFromPipeline = true)]
    [ValidateNotNull]
    public PSObject? InputObject { get; set; }

    /// <summary>The appliance's id. Bound from appliances that are piped in.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ApplianceIdCompleter))]
    public string[]? ApplianceId { get; set; }

    /// <summary>
    /// The repository: the session that Connect-NataliaRepository returned, or its name. Bound from an appliance that
    /// is piped in and is enrolled, and from a session that is piped in. Left out, the only connected repository is
    /// taken; when several are connected, that is the error RepositoryAmbiguous.
    /// </summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [Alias("RepositoryId")]
    [RepositoryReference]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    public string? Repository { get; set; }

    /// <summary>
    /// How often the appliance is backed up, from which the rules follow that are not given: Daily or SixHourly.
    /// Replication has the rules of Daily.
    /// </summary>
    [Parameter(ParameterSetName = RulesSet)]
    public BackupStrategy Strategy { get; set; }

    /// <summary>Take the appliance's own policy away, so that the repository's default holds for it again.</summary>
    [Parameter(Mandatory = true, ParameterSetName = InheritSet)]
    public SwitchParameter Inherit { get; set; }

    /// <summary>
    /// Do not ask, even when the policy would remove points that are kept now, and set it even where locks and policy
    /// cannot work together.
    /// </summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <summary>Write the setting to the pipeline.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    private protected override string MissedWithoutInput => "no retention policy was set";

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        PipedReport.RequireAppliance(InputObject);
        IEnumerable<string> named = Appliance is null && ApplianceId is null
            ? PipedAppliances.NamesOf(InputObject)
            : (Appliance ?? []).Concat(ApplianceId ?? []);
        RetentionRules rules = GivenRules();
        RepositoryConnection repository = Registry.Repositories.ForWriting(Repository);
        IReadOnlyList<ApplianceSelector> selectors = Wildcards.Selectors(named);
        RepositoryRetention retention = await _cache.ReadAsync(repository, cancellationToken).ConfigureAwait(false);
        retention.RequireTimeZone(rules.TimeZone);
        if (ParameterSetName == InheritSet && (rules.AnyRule || rules.TimeZone is not null))
            throw new NataliaException(ErrorIds.RetentionPolicyInvalid, NataliaErrorKind.InvalidArgument,
                "-Inherit takes a policy away, so it cannot be given together with rules or a time zone.");
        if (selectors.Count == 0)
        {
            if (ParameterSetName == InheritSet)
                throw new NataliaException(ErrorIds.RetentionPolicyInvalid, NataliaErrorKind.InvalidArgument,
                    "-Inherit needs an -Appliance: a repository's default has nothing to inherit from.");
            await SetDefaultAsync(retention, rules, cancellationToken).ConfigureAwait(false);
            return;
        }
        foreach (ApplianceSelector selector in selectors)
        {
            try
            {
                foreach (RetentionSubject subject in await FindAsync(retention, selector,
                    cancellationToken).ConfigureAwait(false))
                    await SetOwnAsync(retention, subject, rules, cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException e)
            {
                EmitError(e, selector.Text);
            }
        }
    }

    /// <summary>
    /// An appliance that the repository has never seen is looked for on the hypervisors: its policy may be set before
    /// its first backup.
    /// </summary>
    private async Task<IReadOnlyList<RetentionSubject>> FindAsync(RepositoryRetention retention,
        ApplianceSelector selector, CancellationToken cancellationToken)
    {
        IReadOnlyList<RetentionSubject> known = retention.Select(selector);
        if (known.Count > 1 && !selector.MeansSeveral(known.Select(k => k.Name)))
            throw new NataliaException(ErrorIds.ApplianceAmbiguous, NataliaErrorKind.InvalidArgument,
                $"{known.Count} appliances of repository '{retention.Repository.Name}' are called '{selector.Text}': "
                + $"{string.Join(", ", known.Select(k => k.ApplianceId))}.",
                selector.Text, "Name the one with -ApplianceId.");
        if (known.Count > 0) return known;
        if (Registry.Hypervisors.All.Count == 0)
            throw selector.MissForChange(() => RepositoryRetention.NotFound(selector, [retention.Repository]));
        _directory ??= new ApplianceDirectory(Registry, DeferError, EmitWarning);
        IReadOnlyList<LocatedAppliance> appliances = await _directory.FindAsync(Registry.Hypervisors.ForReading(null),
            [selector], cancellationToken).ConfigureAwait(false);
        return [.. ApplianceDirectory.SelectForChange(appliances, selector)
            .Select(a => new RetentionSubject(retention.Repository, a.Description.ApplianceId, a.Description.Name, [],
                [], retention.InheritedBy(a.Description.ApplianceId)))];
    }

    private async Task SetOwnAsync(RepositoryRetention retention, RetentionSubject subject, RetentionRules rules,
        CancellationToken cancellationToken)
    {
        RetentionPolicy? policy = ParameterSetName == InheritSet
            ? null
            : Compose(rules, subject.HasOwnPolicy ? subject.Stored : null,
                retention.FixedTimeZone ?? subject.Stored?.Policy.TimeZoneId);
        StoredRetentionPolicy? inherited = retention.InheritedBy(subject.ApplianceId);
        RetentionPolicy? effective = policy ?? inherited?.Policy;
        string left = inherited?.Damage is not null ? "which cannot be read now" : effective?.ToString() ?? "none";
        string whose = inherited is { IsHostDefault: true }
            ? "what its host applies by itself"
            : $"the default of repository '{retention.Repository.Name}'";
        string action = policy is not null
            ? $"Set the retention policy to {policy}"
            : $"Take its own retention policy away, so that {whose} holds: {left}";
        if (!await ConfirmAsync(retention.Repository, $"{subject.Name} in repository '{retention.Repository.Name}'",
            action, [subject], effective).ConfigureAwait(false))
            return;
        await Evidence.Over(retention.Repository)
            .SetRetentionPolicyAsync(subject.ApplianceId, subject.Name, policy,
                cancellationToken).ConfigureAwait(false);
        if (policy is not null) TellOfReplaced(rules, subject.Name, subject.Stored, policy);
        await ShowAsync(retention.Repository, subject.ApplianceId, subject.Name, [subject], effective,
            cancellationToken).ConfigureAwait(false);
    }

    private async Task SetDefaultAsync(RepositoryRetention retention, RetentionRules rules,
        CancellationToken cancellationToken)
    {
        RetentionPolicy policy = Compose(rules, retention.Default, retention.Default?.Policy.TimeZoneId);
        IReadOnlyList<RetentionSubject> affected = [.. retention.Subjects.Where(s => !s.HasOwnPolicy)];
        if (!await ConfirmAsync(retention.Repository,
            $"the default of repository '{retention.Repository.Name}', which holds for "
                + Plural.Count(affected.Count, "appliance"),
            $"Set the retention policy to {policy}", affected, policy).ConfigureAwait(false))
            return;
        await Evidence.Over(retention.Repository)
            .SetRetentionPolicyAsync(null, null, policy, cancellationToken).ConfigureAwait(false);
        TellOfReplaced(rules, $"the repository '{retention.Repository.Name}'", retention.Default, policy);
        await ShowAsync(retention.Repository, null, null, affected, policy, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Who gives no rule may have meant to look at the policy, not to replace it.</summary>
    private void TellOfReplaced(RetentionRules rules, string whose, StoredRetentionPolicy? before,
        RetentionPolicy policy)
    {
        if (IsBound(nameof(Strategy)) || rules.AnyRule || rules.TimeZone is not null) return;
        if (before is not { Damage: null } || before.Policy.ToString() == policy.ToString()) return;
        EmitWarning($"No rule was given, so the usual ones replaced those of {whose}: it was {before.Policy}, and is "
            + $"{policy} now. Get-NataliaRetention shows a policy without a change.");
    }

    private RetentionPolicy Compose(RetentionRules rules, StoredRetentionPolicy? before, string? timeZone)
    {
        RetentionPolicy policy;
        if (IsBound(nameof(Strategy))) policy = rules.Over(RetentionPolicy.For(Strategy) with
        {
            TimeZoneId = timeZone ?? RetentionPolicy.DefaultTimeZoneId,
        });
        else if (rules.AnyRule) policy = rules.ToPolicy(timeZone);
        else if (rules.TimeZone is not null && before is { Damage: null })
            policy = before.Policy with { TimeZoneId = rules.TimeZone };
        else policy = rules.Over(RetentionPolicy.For(BackupStrategy.Daily) with
        {
            TimeZoneId = timeZone ?? RetentionPolicy.DefaultTimeZoneId,
        });
        if (policy.KeepsEverything)
            throw new NataliaException(ErrorIds.RetentionPolicyKeepsNothing, NataliaErrorKind.InvalidArgument,
                "A retention policy whose every rule is 0 names nothing to keep, and is refused.", null,
                "Give at least one rule 1 or more. To keep everything, set no policy.");
        TimeZones.Find(policy.TimeZoneId);
        return policy;
    }

    /// <summary>Tells what the policy and the locks come to together, before either can be regretted.</summary>
    private string DescribeLocks(RepositoryConnection repository, string target,
        IReadOnlyList<RetentionSubject> subjects, RetentionPolicy? after)
    {
        if (LockEffectText.Compute(repository, subjects, after, DateTime.UtcNow) is not LockEffect effect) return "";
        if (effect.Conflict is string conflict)
        {
            if (!Force)
                throw new NataliaException(ErrorIds.RetentionLockConflict, NataliaErrorKind.InvalidOperation,
                    $"The policy was not set for {target}: {conflict}", target,
                    "Make points more often, or take a repository whose locks last longer. -Force sets the policy all "
                    + "the same.");
            EmitWarning(conflict);
        }
        if (LockEffectText.Exposure(effect) is string exposure)
            EmitWarning($"{exposure} Somebody with the bucket's credentials could delete such points. A repository "
                + "made with -ImmutableWhileKept, or for more -ImmutableDays, has no such gap.");
        string text = LockEffectText.All(effect);
        EmitVerbose(text);
        // Without its full stop: a question may follow.
        return ". " + text.TrimEnd('.');
    }

    /// <summary>
    /// Asks as any change does, and once more when points would go that are kept now: then as for a loss that cannot be
    /// undone.
    /// </summary>
    private async Task<bool> ConfirmAsync(RepositoryConnection repository, string target, string action,
        IReadOnlyList<RetentionSubject> subjects, RetentionPolicy? after)
    {
        action += DescribeLocks(repository, target, subjects, after);
        List<RetentionPlanRow> removed = [.. subjects
            .SelectMany(
                s => RetentionPolicyChange.Compare(s.RetentionPoints, s.Stored?.Policy, after,
                    DateTime.UtcNow).NewlyRemoved)];
        string loss = removed.Count == 0
            ? ""
            : string.Format(CultureInfo.InvariantCulture,
                "{0} that {1} kept now would be removed when retention is applied, from {2:yyyy-MM-dd} to "
                + "{3:yyyy-MM-dd}",
            removed.Count == 1 ? "1 restore point" : removed.Count + " restore points",
            removed.Count == 1 ? "is" : "are", removed.Min(r => r.TimeUtc), removed.Max(r => r.TimeUtc));
        if (!await ShouldProcessAsync(target, loss.Length == 0 ? action : $"{action}; {loss}").ConfigureAwait(false))
            return false;
        if (loss.Length == 0 || Force || await OnPipelineAsync(() => HasAnswered()).ConfigureAwait(false)) return true;
        return await OnPipelineAsync(
            () => HostQuestion.Ask(
                () => ShouldContinue(DisplayText.Clean($"{action} for {target}? {loss}."),
                    "A stricter retention policy"),
            silent => new NataliaException(ErrorIds.RetentionChangeNotConfirmed, NataliaErrorKind.InvalidOperation,
                $"The policy was not set for {target}: {loss}, and nobody is here to confirm that.", target,
                "Look at Get-NataliaRetentionPlan with the same rules; then say -Force or -Confirm:$false.",
                silent))).ConfigureAwait(false);
    }

    private async Task ShowAsync(RepositoryConnection repository, string? applianceId, string? name,
        IReadOnlyList<RetentionSubject> subjects, RetentionPolicy? effective, CancellationToken cancellationToken)
    {
        _cache.Forget(repository);
        if (!PassThru) return;
        IReadOnlyList<StoredRetentionPolicy> policies =
            await repository.Points.GetRetentionPoliciesAsync(cancellationToken).ConfigureAwait(false);
        StoredRetentionPolicy? stored = applianceId is null
            ? policies.FirstOrDefault(p => p.ApplianceId is null)
            : StoredRetentionPolicy.For(policies, applianceId);
        Emit(RetentionSetting.Create(repository.Name, repository.Session.RepositoryId, applianceId, name, stored) with
        {
            LockEffect = LockEffectText.Compute(repository, subjects, effective, DateTime.UtcNow),
        });
    }
}
