using System.Text.Json;
using Natalia.Backup.Engine.Retention;

namespace Natalia.Backup.Engine.Tests.Retention;

public sealed class RetentionVectorTests
{
    private sealed record Series(DateTime From, double Hours, int Count);
    private sealed record Point(DateTime At, bool Protected, bool Unfinished);
    private sealed record Vector(string Name, string Zone, Dictionary<string, int> Keep, Series[]? Series,
        Point[]? Points, Dictionary<string, string> Rows, Dictionary<string, int> Removed)
    {
        internal RetentionPoint[] AllPoints() =>
        [
            .. (Series ?? [])
                .SelectMany(s => Enumerable.Range(0, s.Count)
                    .Select(i => new RetentionPoint { TimeUtc = s.From.AddHours(s.Hours * i) })),
            .. (Points ?? []).Select(p => new RetentionPoint
            {
                TimeUtc = p.At,
                IsProtected = p.Protected,
                IsFinished = !p.Unfinished,
            }),
        ];
    }

    public static TheoryData<string> Names() => new(Read().Select(v => v.Name));

    [Theory]
    [MemberData(nameof(Names))]
    public void A_vector_is_planned_as_written(string name)
    {
        Vector vector = Read().Single(v => v.Name == name);
        IReadOnlyList<RetentionPlanRow> rows = RetentionPlanner.Plan(vector.AllPoints(),
            Plans.Policy(vector.Keep, vector.Zone), Plans.Now);

        Assert.Equal(vector.AllPoints().Length, rows.Count);
        foreach ((string time, string mark) in vector.Rows)
            Assert.Equal($"{time} {mark}", $"{time} {rows.Row(time).Mark()}");
        Assert.Equal(vector.Rows.Count(r => !r.Value.StartsWith("remove", StringComparison.Ordinal)),
            rows.Count(r => r.Action != RetentionAction.Remove));
        Assert.Equal(vector.Removed.OrderBy(r => r.Key),
            rows.Select(r => r.Mark()).Where(m => m.StartsWith("remove ", StringComparison.Ordinal))
                .GroupBy(m => m[7..], (r, m) => KeyValuePair.Create(r, m.Count())).OrderBy(r => r.Key));
        Assert.Equal(rows.OrderByDescending(r => r.TimeUtc).Select(r => r.TimeUtc), rows.Select(r => r.TimeUtc));
        Assert.All(rows, r => Assert.EndsWith(".", r.Reason));
    }

    [Fact]
    public void The_vectors_of_the_published_contract_are_planned_as_written()
    {
        // The contract file is not part of the repository; the vectors above are, and say as much.
        if (FindContract() is not string path) return;
        int marks = 0;
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(path));
        foreach (JsonElement vector in document.RootElement.GetProperty("vectors").EnumerateArray())
        {
            string name = vector.GetProperty("name").GetString()!;
            Dictionary<string, int> keep = vector.GetProperty("keep").EnumerateObject().Where(k => k.Name != "keep-all")
                .ToDictionary(k => k.Name[5..], k => k.Value.GetInt32());
            RetentionPoint[] points = vector.GetProperty("backups").EnumerateArray().Select(b => new RetentionPoint
            {
                TimeUtc = DateTime.UnixEpoch.AddSeconds(b.GetProperty("t").GetInt64()),
                IsProtected = b.TryGetProperty("protected", out JsonElement p) && p.GetBoolean(),
                IsFinished = !b.TryGetProperty("finished", out JsonElement f) || f.GetBoolean(),
            }).ToArray();
            Dictionary<DateTime, RetentionPlanRow> rows = RetentionPlanner.Plan(points,
                Plans.Policy(keep, vector.GetProperty("tz").GetString()!), Plans.Now)
                .ToDictionary(r => r.TimeUtc);
            foreach (JsonElement mark in vector.GetProperty("marks").EnumerateArray())
            {
                DateTime time = DateTime.UnixEpoch.AddSeconds(mark[0].GetInt64());
                Assert.Equal($"{name} {time:s} {Expected(mark[1].GetString()!, mark[2].GetString()!)}",
                    $"{name} {time:s} {rows[time].Mark()}");
                if (rows[time] is { Slot: int slot } row)
                    Assert.EndsWith($"{row.Rule.ToString().ToLowerInvariant()} {slot} of {row.SlotLimit}.", row.Reason);
                marks++;
            }
        }
        Assert.True(marks > 500, $"only {marks} marks were compared");
    }

    /// <summary>A mark and reason of the contract in the words of our own vectors.</summary>
    private static string Expected(string mark, string reason) => (mark, reason) switch
    {
        ("protected", _) => "protected",
        ("keep-partial", _) => "keep unfinished",
        ("keep", "no limit set") => "keep -",
        ("keep", _) => "keep " + reason.Replace("keep-", "", StringComparison.Ordinal),
        ("remove", "unfinished") => "remove unfinished",
        ("remove", "not selected by any option") => "remove -",
        ("remove", _) => "remove " + reason["older in a period kept by keep-".Length..],
        _ => throw new InvalidOperationException($"The contract has an unknown mark '{mark}'."),
    };

    private static Vector[] Read() =>
        JsonSerializer.Deserialize<Vector[]>(
            File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Retention", "retention-vectors.json")),
            new JsonSerializerOptions(JsonSerializerDefaults.Web))!;

    private static string? FindContract()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (!File.Exists(Path.Combine(folder.FullName, "Natalia.Backup.sln"))) continue;
            string path = Path.Combine(folder.FullName, "..", "shared", "contracts", "prune-vectors.json");
            return File.Exists(path) ? path : null;
        }
        return null;
    }
}
