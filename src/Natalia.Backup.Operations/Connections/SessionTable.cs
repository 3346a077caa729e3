using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Text;

namespace Natalia.Backup.Operations.Connections;

/// <summary>The connections of one kind that a runspace holds. All members may be called from any thread.</summary>
/// <typeparam name="T">The kind of connection.</typeparam>
/// <param name="noun">What a person calls such a thing: <c>repository</c>.</param>
/// <param name="cmdletNoun">The noun of its cmdlets: <c>NataliaRepository</c>.</param>
/// <param name="notConnectedId">The error id for one that is not there.</param>
/// <param name="ambiguousId">The error id for several where one is needed.</param>
internal sealed class SessionTable<T>(string noun, string cmdletNoun, string notConnectedId, string ambiguousId)
    where T : class, IConnection
{
    private readonly object _gate = new();
    private readonly List<T> _connections = [];
    private readonly List<AwayConnection> _away = [];

    /// <summary>All connections, in the order in which they were made.</summary>
    internal IReadOnlyList<T> All
    {
        get { lock (_gate) return [.. _connections]; }
    }

    /// <summary>
    /// Every thing that is connected, once: of several sessions to one place the one that can do most.
    /// </summary>
    internal IReadOnlyList<T> Each => Once(All);

    /// <summary>
    /// The same of those that fit. Those that do not are left out first: of two sessions to one place, one may fit
    /// alone.
    /// </summary>
    internal IReadOnlyList<T> EachThat(Func<T, bool> fits) => Once(All.Where(fits));

    /// <summary>
    /// One connection to things of each identity, also where they are at several places: two sessions to one thing, or
    /// to a copy of it, would show everything twice.
    /// </summary>
    internal IReadOnlyList<T> OfEachIdentity =>
        [.. All.GroupBy(c => c.Identity ?? "name:" + c.Name).Select(g => g.OrderBy(c => c.IsLimited).First())];

    /// <summary>What a profile names and could not be connected.</summary>
    internal IReadOnlyList<AwayConnection> Away
    {
        get { lock (_gate) return [.. _away]; }
    }

    /// <summary>Whether one of that name is connected, or named by a profile.</summary>
    internal bool IsNamed(string name)
    {
        lock (_gate)
            return _connections.Select(c => c.Name).Concat(_away.Select(a => a.Name))
                .Contains(name, StringComparer.OrdinalIgnoreCase);
    }

    /// <summary>Remembers what could not be connected, until it is, or is forgotten.</summary>
    internal void Miss(AwayConnection away)
    {
        lock (_gate)
        {
            ForgetAway(away.Name);
            _away.Add(away);
        }
    }

    /// <summary>Nobody waits for it any more.</summary>
    /// <returns>Whether it was known.</returns>
    internal bool ForgetAway(string name)
    {
        lock (_gate) return _away.RemoveAll(a => string.Equals(a.Name, name, StringComparison.OrdinalIgnoreCase)) > 0;
    }

    /// <summary>
    /// The error for what could not be connected: that of the attempt, since that is what has to be mended.
    /// </summary>
    internal NataliaException Missing(AwayConnection away) =>
        new(away.Why.ErrorId, away.Why.Kind,
            $"The {noun} '{away.Name}' of the profile could not be connected: {away.Why.Message}", away.Name,
        ($"{away.Why.RecommendedAction} Import-NataliaProfile connects it when that is mended; "
            + $"Disconnect-{cmdletNoun} '{away.Name}' says that it is to be done without.").TrimStart(),
        away.Why);

    /// <summary>A sentence on what is missing, with a space before it; empty when nothing is.</summary>
    internal static string Describe(IReadOnlyList<AwayConnection> away) =>
        away.Count == 0
            ? ""
            : $" Named by the profile and not connected: {string.Join(", ", away.Select(a => $"'{a.Name}'"))}.";

    /// <summary>Takes a connection over. When its name is in use it is disposed.</summary>
    /// <exception cref="NataliaException"><c>NameInUse</c>.</exception>
    internal void Add(T connection)
    {
        lock (_gate)
        {
            if (FindAll(connection.Name).Count == 0)
            {
                _connections.Add(connection);
                ForgetAway(connection.Name);
                return;
            }
        }
        connection.Dispose();
        throw NameInUse(connection.Name);
    }

    /// <summary>Closes a connection. Not an error when it is gone already.</summary>
    internal void Remove(T connection)
    {
        lock (_gate)
        {
            if (!_connections.Remove(connection)) return;
        }
        connection.Dispose();
    }

    internal void RemoveAll()
    {
        foreach (T connection in All) Remove(connection);
        lock (_gate) _away.Clear();
    }

    /// <summary>Fails early, before something is opened or made under a name that is taken.</summary>
    /// <exception cref="NataliaException"><c>NameInUse</c>.</exception>
    internal void EnsureFree(string name)
    {
        lock (_gate)
        {
            if (FindAll(name).Count > 0) throw NameInUse(name);
        }
    }

    /// <summary>The wanted name, or the wanted name with a number behind it.</summary>
    internal string GetFreeName(string wanted)
    {
        lock (_gate)
        {
            string name = wanted;
            for (int i = 2; FindAll(name).Count > 0; i++) name = FormattableString.Invariant($"{wanted}-{i}");
            return name;
        }
    }

    /// <summary>
    /// The connection of a name, or the best one to the thing of that identity; null when there is none.
    /// </summary>
    /// <exception cref="NataliaException">Things at several places have that identity.</exception>
    internal T? Find(string nameOrIdentity)
    {
        IReadOnlyList<T> found = FindAll(nameOrIdentity);
        return found.Select(c => c.Location).Distinct(StringComparer.Ordinal).Count() < 2
            ? found.FirstOrDefault()
            : throw new NataliaException(ambiguousId, NataliaErrorKind.InvalidOperation,
                $"Which {noun}? {found.Count} with the id '{nameOrIdentity}' are connected: "
                + $"{string.Join(", ", found.Select(c => $"'{c.Name}' ({c.Location})"))}.",
                nameOrIdentity, $"Name one, or disconnect the others with Disconnect-{cmdletNoun}.");
    }

    /// <summary>The connection of a name, or all to things of that identity, the best one first.</summary>
    internal IReadOnlyList<T> FindAll(string nameOrIdentity)
    {
        lock (_gate)
        {
            return FindByName(nameOrIdentity) is T named
                ? [named]
                : [.. _connections
                    .Where(c => string.Equals(c.Identity, nameOrIdentity, StringComparison.OrdinalIgnoreCase))
                    .OrderBy(c => c.IsLimited)];
        }
    }

    /// <summary>
    /// What an object that tells its connection's name and identity refers to. The name tells several places of one
    /// identity apart; but it may have gone to another thing since, and then the identity counts.
    /// </summary>
    /// <returns>A name or an identity; null where the object tells neither.</returns>
    internal string? Refer(string? name, string? identity)
    {
        if (string.IsNullOrEmpty(identity)) return string.IsNullOrEmpty(name) ? null : name;
        lock (_gate)
            return name is not null && FindByName(name) is T named
                && string.Equals(named.Identity, identity, StringComparison.OrdinalIgnoreCase)
                ? name
                : identity;
    }

    private T? FindByName(string name) =>
        _connections.Find(c => string.Equals(c.Name, name, StringComparison.OrdinalIgnoreCase));

    /// <summary>
    /// The connections whose names fit, each once; a name without wildcards that fits none is reported.
    /// </summary>
    /// <param name="names">Names, identities or wildcards; null or empty for all.</param>
    /// <param name="report">Takes the error for a name that fits none.</param>
    internal IReadOnlyList<T> ByName(IReadOnlyList<NamePattern>? names, Action<NataliaException> report)
    {
        if (names is not { Count: > 0 }) return All;
        List<T> found = [];
        foreach (NamePattern name in names)
        {
            if (Find(name.Text) is T exact)
            {
                found.Add(exact);
            }
            else
            {
                List<T> fitting = [.. All.Where(c => name.MayMean(c.Name))];
                if (fitting.Count == 0 && name.Miss(() => NotConnected(name.Text)) is NataliaException miss)
                    report(miss);
                found.AddRange(fitting);
            }
        }
        return [.. found.Distinct()];
    }

    /// <summary>The connections that a command reads: those named, or all of them.</summary>
    /// <param name="references">Names or identities; null or empty for all.</param>
    /// <exception cref="NataliaException">One that is named is not connected, or none is connected at all.</exception>
    internal IReadOnlyList<T> ForReading(IReadOnlyList<string>? references)
    {
        if (references is { Count: > 0 }) return Once(references.Select(Get).Distinct());
        if (All.Count == 0) throw NoneConnected();
        return OfEachIdentity;
    }

    /// <summary>
    /// Refuses things of one identity at several places, for a command that would count what is in both of them twice.
    /// </summary>
    /// <exception cref="NataliaException">There are such ones.</exception>
    internal void RefuseTwins(IReadOnlyList<T> connections)
    {
        if (connections.Where(c => c.Identity is not null).GroupBy(c => c.Identity)
            .FirstOrDefault(g => g.Count() > 1) is not IGrouping<string?, T> twins)
            return;
        throw new NataliaException(ambiguousId, NataliaErrorKind.InvalidOperation,
            $"Which {noun}? {string.Join(" and ", twins.Select(c => $"'{c.Name}' ({c.Location})"))} have the same id: "
            + "they are one by two paths, or one is a copy of the other's files, and all would be counted twice.",
            twins.Key, "Name one of them.");
    }

    /// <summary>The one connection that a command changes: the one named, or the only one.</summary>
    /// <param name="reference">A name or an identity, or null.</param>
    /// <exception cref="NataliaException">The one named is not connected, none is connected, or several are and none
    /// was named.</exception>
    internal T ForWriting(string? reference)
    {
        if (!string.IsNullOrEmpty(reference)) return Get(reference!);
        IReadOnlyList<T> all = Each;
        return all.Count switch
        {
            0 => throw NoneConnected(),
            // With a part of the profile missing, the only one that is left need not be the one that was meant.
            1 when Away.Count == 0 => all[0],
            _ => throw new NataliaException(ambiguousId, NataliaErrorKind.InvalidOperation,
                $"Which {noun}? {all.Count} are connected: "
                + $"{string.Join(", ", all.Select(c => $"'{c.Name}'"))}.{Describe(Away)}",
                recommendedAction: $"Name one, or disconnect the others with Disconnect-{cmdletNoun}."),
        };
    }

    /// <summary>
    /// What to tell of a connection beside another one to a thing of the same identity; null where there is none, or
    /// where one of the two was opened to do less.
    /// </summary>
    internal string? DescribeTwin(T connection)
    {
        if (connection.Identity is not string identity
            || All.FirstOrDefault(c => c != connection && c.IsLimited == connection.IsLimited
                && string.Equals(c.Identity, identity, StringComparison.OrdinalIgnoreCase)) is not T other)
            return null;
        return IsSamePlace(connection, other)
            ? $"The {noun} at {connection.Location} is connected already, as '{other.Name}'. Commands take both "
                + $"sessions for one {noun}. Disconnect-{cmdletNoun} '{connection.Name}' closes this one."
            : $"The {noun} '{connection.Name}' ({connection.Location}) has the same id as '{other.Name}' "
                + $"({other.Location}): it is the same one by another path, or a copy of its files. What is not named "
                + $"is read from '{other.Name}' alone; the id without a name means neither of them. Write to one of "
                + "the two only: what is written to a copy makes it another history of the same points.";
    }

    private static bool IsSamePlace(T one, T other) =>
        string.Equals(one.Location, other.Location, StringComparison.Ordinal);

    private static IReadOnlyList<T> Once(IEnumerable<T> connections) =>
        [.. connections.GroupBy(c => (c.Identity ?? "name:" + c.Name, c.Location))
            .Select(g => g.OrderBy(c => c.IsLimited).First())];

    /// <summary>The connection of a name or identity.</summary>
    /// <exception cref="NataliaException">There is none, or things at several places have that
    /// identity.</exception>
    internal T Get(string nameOrIdentity) => Find(nameOrIdentity) ?? throw NotConnected(nameOrIdentity);

    private NataliaException NotConnected(string nameOrIdentity) =>
        Away.FirstOrDefault(a => string.Equals(a.Name, nameOrIdentity, StringComparison.OrdinalIgnoreCase))
            is AwayConnection away
            ? Missing(away)
            : new(notConnectedId, NataliaErrorKind.NotFound,
                $"No {noun} '{nameOrIdentity}' is connected in this session.", nameOrIdentity,
        $"Connect it with Connect-{cmdletNoun}; Get-{cmdletNoun} lists those that are.");

    private NataliaException NoneConnected() =>
        Away.Count > 0
            ? Missing(Away[0])
            : new(notConnectedId, NataliaErrorKind.NotFound, $"No {noun} is connected in this session.",
                recommendedAction: $"Connect one with Connect-{cmdletNoun}, or several with Import-NataliaProfile.");

    private NataliaException NameInUse(string name) =>
        new(ErrorIds.NameInUse, NataliaErrorKind.AlreadyExists, $"A {noun} named '{name}' is connected already.", name,
        $"Choose another -Name, or disconnect it with Disconnect-{cmdletNoun}.");
}
