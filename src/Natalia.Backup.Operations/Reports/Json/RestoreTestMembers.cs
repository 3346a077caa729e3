using System.Text.Json;
using Natalia.Backup.Operations.RestoreTests;

namespace Natalia.Backup.Operations.Reports.Json;

/// <summary>A restore test in a report's JSON.</summary>
internal static class RestoreTestMembers
{
    internal static void Write(Utf8JsonWriter json, RestoreTest test, bool withAppliance)
    {
        json.WriteString("restoreTestId", test.RestoreTestId);
        if (withAppliance)
        {
            json.WriteString("applianceId", test.ApplianceId);
            json.WriteString("applianceName", test.ApplianceName);
        }
        json.WriteString("restorePointId", test.RestorePointId);
        json.WriteTime("pointTimeUtc", test.PointTimeUtc);
        json.WriteString("repositoryId", test.RepositoryId);
        json.WriteText("repository", test.Repository);
        json.WriteString("result", $"{test.Result}");
        json.WriteText("reason", test.Reason);
        json.WriteString("testBench", test.TestBench);
        json.WriteString("testBenchKind", test.TestBenchKind);
        json.WriteText("testVM", test.TestVM);
        json.WriteFlag("isKept", test.IsKept ? true : null);
        json.WriteText("systemImage", test.SystemImage);
        json.WriteCount("sizeBytes", test.SizeBytes);
        json.WriteTime("startedUtc", test.StartedUtc);
        json.WriteFlag("isFromRepository", test.IsFromRepository ? true : null);
        json.WriteSeconds("restoreSeconds", test.RestoreDuration);
        json.WriteSeconds("bootSeconds", test.BootDuration);
        json.WriteSeconds("checksSeconds", test.ChecksDuration);
        json.WriteSeconds("durationSeconds", test.Duration);
        json.WriteObjects("checks", test.Checks, json.WriteCheck);
    }
}
