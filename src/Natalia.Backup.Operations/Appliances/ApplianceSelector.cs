using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Operations.Text;

namespace Natalia.Backup.Operations.Appliances;

/// <summary>One <c>-Appliance</c>: an id, a name or a wildcard.</summary>
internal sealed class ApplianceSelector
{
    private readonly NamePattern _name;

    internal ApplianceSelector(NamePattern name)
    {
        _name = name;
        IsId = ApplianceIdentity.IsValid(name.Text);
    }

    /// <summary>The one appliance of an id.</summary>
    internal static ApplianceSelector Of(string applianceId) => new(new NamePattern(applianceId, applianceId.Equals));

    /// <summary>As the user gave it.</summary>
    internal string Text => _name.Text;

    internal bool IsId { get; }

    /// <summary>
    /// True for everything that it may mean; what it does mean, only <see cref="Choose"/> knows, which sees all.
    /// </summary>
    internal bool MayMean(string applianceId, string name) => (IsId && applianceId == Text) || _name.MayMean(name);

    /// <summary>
    /// What it means of all that there is: what has exactly this id or name; only without any such thing, what fits it
    /// as a wildcard.
    /// </summary>
    /// <param name="all">Everything that is known, of all places that are asked.</param>
    /// <param name="id">The id of one.</param>
    /// <param name="name">The name of one.</param>
    internal IReadOnlyList<T> Choose<T>(IEnumerable<T> all, Func<T, string> id, Func<T, string> name)
    {
        List<T> fitting = [.. all.Where(one => MayMean(id(one), name(one)))];
        List<T> exact = [.. fitting.Where(one => (IsId && id(one) == Text) || _name.Is(name(one)))];
        return exact.Count > 0 ? exact : fitting;
    }

    /// <summary>True when it was meant as a wildcard, so that several things are as good an answer as one.</summary>
    /// <param name="names">The names of what it means.</param>
    internal bool MeansSeveral(IEnumerable<string> names) => _name.HasWildcards && !names.Any(_name.Is);

    /// <summary>What to say when it means nothing in a list; null when nothing has to be said.</summary>
    internal NataliaException? Miss(Func<NataliaException> notFound) => _name.Miss(notFound);

    /// <summary>What to say when it means nothing, and so nothing would be done.</summary>
    internal NataliaException MissForChange(Func<NataliaException> notFound) => _name.MissForChange(notFound);

    /// <summary>
    /// What any of the selectors means, each once, in the order of the list; all of it without a selector.
    /// </summary>
    /// <param name="selectors">The selectors.</param>
    /// <param name="all">Everything that is known, of all places that are asked.</param>
    /// <param name="id">The id of one.</param>
    /// <param name="name">The name of one.</param>
    /// <param name="miss">Takes each selector that means nothing.</param>
    internal static IReadOnlyList<T> ChooseAny<T>(IReadOnlyList<ApplianceSelector> selectors, IReadOnlyList<T> all,
        Func<T, string> id, Func<T, string> name, Action<ApplianceSelector> miss)
        where T : class
    {
        if (selectors.Count == 0) return all;
        var chosen = new HashSet<T>();
        foreach (ApplianceSelector selector in selectors)
        {
            IReadOnlyList<T> meant = selector.Choose(all, id, name);
            if (meant.Count == 0) miss(selector);
            chosen.UnionWith(meant);
        }
        return [.. all.Where(chosen.Contains)];
    }
}
