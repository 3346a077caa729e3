using System.Text.Json;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Recovery;
using Natalia.Backup.Operations.Reports.Content;
using Natalia.Backup.Operations.RestoreTests;

namespace Natalia.Backup.Operations.Reports.Json;

/// <summary>An appliance and its evidence in a report's JSON.</summary>
internal static class ApplianceMembers
{
    internal static void Write(Utf8JsonWriter json, ApplianceEvidence appliance, EvidenceFigures figures)
    {
        json.WriteStartObject();
        json.WriteString("applianceId", appliance.ApplianceId);
        json.WriteString("applianceName", appliance.ApplianceName);
        json.WriteString("verdict", $"{ReportHeadline.Of(appliance)}");
        json.WriteText("hypervisorKind", appliance.HypervisorKind);
        json.WriteText("hypervisor", appliance.Hypervisor);
        json.WriteText("vmHost", appliance.VMHost);
        json.WriteText("repository", appliance.Repository);
        json.WriteText("repositoryId", appliance.RepositoryId);
        json.WriteBoolean("isEnrolled", appliance.IsEnrolled);
        json.WriteTime("enrolledUtc", appliance.EnrolledUtc);
        json.WriteString("strategy", $"{appliance.Strategy}");
        json.WriteBoolean("isStrategySet", appliance.IsStrategySet);
        json.WriteTime("sinceUtc", appliance.SinceUtc);
        json.WriteTime("measuredUtc", appliance.MeasuredUtc);
        json.WriteCount("sizeBytes", appliance.SizeBytes);
        json.WriteTexts("troubles", appliance.Troubles);
        WriteMeasurements(json, appliance);
        WriteRepositories(json, appliance);
        WritePoints(json, appliance, figures);
        WriteGaps(json, appliance, figures);
        WriteHoldings(json, appliance);
        json.WriteStartArray("restoreTests");
        foreach (RestoreTest test in appliance.RestoreTests)
            RestoreTestMembers.Write(json, test, withAppliance: false);
        json.WriteEndArray();
        WriteReplications(json, appliance);
        json.WriteEndObject();
    }

    private static void WriteMeasurements(Utf8JsonWriter json, ApplianceEvidence appliance)
    {
        json.WriteStartArray("measurements");
        foreach (RecoveryMeasurement m in appliance.Measurements)
        {
            json.WriteStartObject();
            json.WriteString("objective", $"{m.Objective}");
            json.WriteString("verdict", $"{m.Verdict}");
            json.WriteString("target", m.Target);
            json.WriteText("attained", m.Attained);
            json.WriteText("typical", m.Typical);
            json.WriteText("now", m.Now);
            json.WriteSeconds("targetSeconds", m.TargetTime);
            json.WriteSeconds("attainedSeconds", m.AttainedTime);
            json.WriteSeconds("typicalSeconds", m.TypicalTime);
            json.WriteSeconds("nowSeconds", m.NowTime);
            json.WriteString("reason", m.Reason);
            json.WriteText("recommendedAction", m.RecommendedAction);
            json.WriteStartArray("records");
            foreach (EvidenceRecord record in m.Records)
            {
                json.WriteStartObject();
                json.WriteString("kind", $"{record.Kind}");
                json.WriteString("id", record.Id);
                json.WriteTime("timeUtc", record.TimeUtc);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WriteRepositories(Utf8JsonWriter json, ApplianceEvidence appliance)
    {
        json.WriteStartArray("repositories");
        foreach (RepositoryEvidence r in appliance.Repositories)
        {
            json.WriteStartObject();
            json.WriteString("repositoryId", r.RepositoryId);
            json.WriteString("repository", r.Repository);
            json.WriteString("repositoryKind", r.RepositoryKind);
            json.WriteString("storeKind", r.StoreKind);
            json.WriteString("location", r.Location);
            json.WriteFlag("isOffHost", r.IsOffHost);
            json.WriteString("offHostDetail", r.OffHostDetail);
            json.WriteFlag("isImmutable", r.IsImmutable);
            json.WriteCount("immutableDays", r.ImmutableDays);
            json.WriteBoolean("immutableWhileKept", r.ImmutableWhileKept);
            json.WriteText("retentionPolicy", r.RetentionPolicy);
            json.WriteBoolean("hasFullHistory", r.HasFullHistory);
            json.WriteText("auditKeyFingerprint", r.AuditKeyFingerprint);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WritePoints(Utf8JsonWriter json, ApplianceEvidence appliance, EvidenceFigures figures)
    {
        json.WriteNumber("pointCount", figures.PointCount);
        json.WriteStartArray("points");
        foreach (EvidencePoint p in ReportedPoints.Of(appliance))
        {
            json.WriteStartObject();
            json.WriteString("restorePointId", p.RestorePointId);
            json.WriteString("repositoryId", p.RepositoryId);
            json.WriteString("repository", p.Repository);
            json.WriteTime("timeUtc", p.TimeUtc);
            json.WriteString("state", $"{p.State}");
            json.WriteText("trouble", p.Trouble);
            json.WriteString("type", $"{p.Type}");
            json.WriteString("consistency", $"{p.Consistency}");
            json.WriteCount("sizeBytes", p.SizeBytes);
            json.WriteCount("allocatedBytes", p.AllocatedBytes);
            json.WriteCount("storedBytes", p.StoredBytes);
            json.WriteBoolean("isKept", p.IsKept);
            json.WriteTime("removedUtc", p.RemovedUtc);
            json.WriteText("keptBy", p.KeptBy);
            json.WriteBoolean("isProtected", p.IsProtected);
            json.WriteTime("immutableUntilUtc", p.ImmutableUntilUtc);
            json.WriteTime("verifiedUtc", p.VerifiedUtc);
            json.WriteText("recordHash", p.RecordHash);
            json.WriteText("originalRestorePointId", p.OriginalRestorePointId);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WriteGaps(Utf8JsonWriter json, ApplianceEvidence appliance, EvidenceFigures figures)
    {
        json.WriteNumber("gapCount", figures.GapCount);
        json.WriteStartArray("gapsOverTarget");
        foreach (EvidenceGap gap in appliance.Gaps.Where(g => g.IsOverTarget && !g.IsThinned))
        {
            json.WriteStartObject();
            json.WriteTime("fromUtc", gap.FromUtc);
            json.WriteTime("toUtc", gap.ToUtc);
            json.WriteSeconds("seconds", gap.Length);
            json.WriteText("fromPointId", gap.FromPointId);
            json.WriteText("toPointId", gap.ToPointId);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartArray("rpoStretches");
        foreach (RpoStretch stretch in figures.Stretches)
        {
            json.WriteStartObject();
            json.WriteTime("fromUtc", stretch.FromUtc);
            json.WriteTime("toUtc", stretch.ToUtc);
            json.WriteSeconds("worstSeconds", stretch.Worst);
            json.WriteBoolean("isOverTarget", stretch.IsOverTarget);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WriteHoldings(Utf8JsonWriter json, ApplianceEvidence appliance)
    {
        json.WriteStartArray("holdings");
        foreach (EvidenceHolding holding in appliance.Holdings)
        {
            json.WriteStartObject();
            json.WriteString("rule", $"{holding.Rule}");
            json.WriteString("period", holding.Period);
            json.WriteString("timeZone", holding.TimeZoneId);
            json.WriteText("restorePointId", holding.RestorePointId);
            json.WriteTime("pointTimeUtc", holding.PointTimeUtc);
            json.WriteBoolean("isExpected", holding.IsExpected);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WriteReplications(Utf8JsonWriter json, ApplianceEvidence appliance)
    {
        json.WriteStartArray("replications");
        foreach (ReplicationState r in appliance.Replications)
        {
            json.WriteStartObject();
            json.WriteString("replicationId", r.ReplicationId);
            json.WriteString("targetVMHost", r.TargetVMHost);
            json.WriteCount("intervalMinutes", r.IntervalMinutes);
            json.WriteTime("lastSyncUtc", r.LastSyncUtc);
            json.WriteSeconds("lagSeconds", r.Lag);
            json.WriteCount("failureCount", r.FailureCount);
            json.WriteString("health", $"{r.Health}");
            json.WriteText("detail", r.Detail);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }
}
