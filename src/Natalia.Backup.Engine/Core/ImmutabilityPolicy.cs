using System.Text.Json;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Core;

/// <summary>
/// For how long everything in a repository is locked against deletion. Kept in the repository's log when it is made;
/// needs a store with object lock.
/// </summary>
/// <param name="Days">
/// For how many days from its making a point, and everything it needs, is locked: 1 to 36,500. With
/// <paramref name="WhileKept"/>, how many days ahead the locks of kept points are always held, which is how long
/// nothing may run before they end: 2 to 36,500.
/// </param>
/// <param name="Mode">How strong the locks are. A store is opened with the mode of its repository.</param>
/// <param name="WhileKept">The locks of points that the retention policy keeps are extended again and again. Else they
/// end, kept or not.</param>
public sealed record ImmutabilityPolicy(int Days, ObjectLockMode Mode = ObjectLockMode.Compliance,
    bool WhileKept = false)
{
    /// <summary>The days ahead that are taken where nobody says more: two weeks of nothing running.</summary>
    public const int DefaultDaysAhead = 14;

    internal const string Event = "immutability-set";

    /// <summary>
    /// How much longer than needed a lock is set, so that what later points go on needing is extended once in this time
    /// instead of at every run: a third of the period, at least one day, at most ten.
    /// </summary>
    internal TimeSpan Margin => TimeSpan.FromDays(Math.Min(10, Math.Max(1, Days / 3)));

    internal TimeSpan Period => TimeSpan.FromDays(Days);

    /// <summary>Until when something that is stored now is locked.</summary>
    internal DateTime RetainUntil(DateTime nowUtc) => nowUtc + Period + Margin;

    /// <exception cref="NataliaException"><c>ImmutabilityInvalid</c>.</exception>
    internal ImmutabilityPolicy Validate() => Days > 36_500 || Days < 1
            ? throw new NataliaException(ErrorIds.ImmutabilityInvalid, NataliaErrorKind.InvalidArgument,
                $"Points cannot be immutable for {Days} days: it must be 1 to 36,500.")
        : WhileKept && Days < 2
            ? throw new NataliaException(ErrorIds.ImmutabilityInvalid, NataliaErrorKind.InvalidArgument,
                "Locks that are held 1 day ahead end before a daily run extends them: it must be 2 to 36,500 days.")
        : this;

    /// <summary>
    /// When the locks of kept points are extended although they still last for <see cref="Days"/>: so long before, that
    /// a backup that begins now and runs for hours needs not do it again.
    /// </summary>
    internal TimeSpan Lead => TimeSpan.FromHours(Math.Min(12, Margin.TotalHours / 4));

    internal static AuditEntry Entry(ImmutabilityPolicy policy) => new(Event)
    {
        Reason = policy.WhileKept
            ? $"Points are locked as long as they are kept, {Plural.Count(policy.Days, "day")} ahead ({policy.Mode})."
            : $"Each point is locked for {Plural.Count(policy.Days, "day")} ({policy.Mode}).",
        WriteData = json =>
        {
            json.WriteNumber("days", policy.Days);
            json.WriteString("mode", policy.Mode.ToString());
            if (policy.WhileKept) json.WriteBoolean("whileKept", true);
        },
    };

    internal static ImmutabilityPolicy Read(AuditRecord record)
    {
        using JsonDocument data = JsonText.Parse(System.Text.Encoding.UTF8.GetBytes(record.Data ?? "{}"));
        long days = data.RootElement.ReadLong("days");
        if (!Enum.TryParse(data.RootElement.ReadString("mode"), out ObjectLockMode mode))
            throw new FormatException("The immutability policy has an unknown mode.");
        return days is >= 1 and <= 36_500
            ? new ImmutabilityPolicy((int)days, mode, data.RootElement.ReadBool("whileKept"))
            : throw new FormatException("The immutability policy has an impossible period.");
    }
}
