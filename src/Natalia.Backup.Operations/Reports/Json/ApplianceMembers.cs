using System.Text.Json;
using Natalia.Backup.Operations.Recovery;
using Natalia.Backup.Operations.Reports.Content;

namespace Natalia.Backup.Operations.Reports.Json;

/// <summary>An appliance and its evidence in a report's JSON.</summary>
internal static class ApplianceMembers
{
    internal static void Write(Utf8JsonWriter json, ApplianceEvidence appliance, EvidenceFigures figures)
    {
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
        json.WriteObjects("restoreTests", appliance.RestoreTests,
            test => RestoreTestMembers.Write(json, test, withAppliance: false));
        WriteReplications(json, appliance);
    }

    private static void WriteMeasurements(Utf8JsonWriter json, ApplianceEvidence appliance)
    {
        json.WriteObjects("measurements", appliance.Measurements, m =>
        {
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
            json.WriteObjects("records", m.Records, record =>
            {
                json.WriteString("kind", $"{record.Kind}");
                json.WriteString("id", record.Id);
                json.WriteTime("timeUtc", record.TimeUtc);
            });
        });
    }

    private static void WriteRepositories(Utf8JsonWriter json, ApplianceEvidence appliance)
    {
        json.WriteObjects("repositories", appliance.Repositories, r =>
        {
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
        });
    }

    private static void WritePoints(Utf8JsonWriter json, ApplianceEvidence appliance, EvidenceFigures figures)
    {
        json.WriteNumber("pointCount", figures.PointCount);
        json.WriteObjects("points", ReportedPoints.Of(appliance), p =>
        {
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
        });
    }

    private static void WriteGaps(Utf8JsonWriter json, ApplianceEvidence appliance, EvidenceFigures figures)
    {
        json.WriteNumber("gapCount", figures.GapCount);
        json.WriteObjects("gapsOverTarget", appliance.Gaps.Where(g => g.IsOverTarget && !g.IsThinned), gap =>
        {
            json.WriteTime("fromUtc", gap.FromUtc);
            json.WriteTime("toUtc", gap.ToUtc);
            json.WriteSeconds("seconds", gap.Length);
            json.WriteString("fromPointId", gap.FromPointId);
            json.WriteText("toPointId", gap.ToPointId);
        });
        json.WriteObjects("rpoStretches", figures.Stretches, stretch =>
        {
            json.WriteTime("fromUtc", stretch.FromUtc);
            json.WriteTime("toUtc", stretch.ToUtc);
            json.WriteSeconds("worstSeconds", stretch.Worst);
            json.WriteBoolean("isOverTarget", stretch.IsOverTarget);
        });
    }

    private static void WriteHoldings(Utf8JsonWriter json, ApplianceEvidence appliance)
    {
        json.WriteObjects("holdings", appliance.Holdings, holding =>
        {
            json.WriteString("rule", $"{holding.Rule}");
            json.WriteString("period", holding.Period);
            json.WriteString("timeZone", holding.TimeZoneId);
            json.WriteText("restorePointId", holding.RestorePointId);
            json.WriteTime("pointTimeUtc", holding.PointTimeUtc);
            json.WriteBoolean("isExpected", holding.IsExpected);
        });
    }

    private static void WriteReplications(Utf8JsonWriter json, ApplianceEvidence appliance)
    {
        json.WriteObjects("replications", appliance.Replications, r =>
        {
            json.WriteString("replicationId", r.ReplicationId);
            json.WriteString("targetVMHost", r.TargetVMHost);
            json.WriteCount("intervalMinutes", r.IntervalMinutes);
            json.WriteTime("lastSyncUtc", r.LastSyncUtc);
            json.WriteSeconds("lagSeconds", r.Lag);
            json.WriteCount("failureCount", r.FailureCount);
            json.WriteString("health", $"{r.Health}");
            json.WriteText("detail", r.Detail);
        });
    }
}
