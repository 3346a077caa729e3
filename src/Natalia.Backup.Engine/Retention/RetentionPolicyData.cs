using System.Text.Json;
using Natalia.Backup.Engine.Format;

namespace Natalia.Backup.Engine.Retention;

/// <summary>A policy as an audit record of the kind <c>retention-set</c> holds it.</summary>
internal static class RetentionPolicyData
{
    /// <param name="json">Where to write the members to.</param>
    /// <param name="policy">The policy; null says that there is none any more.</param>
    internal static void Write(Utf8JsonWriter json, RetentionPolicy? policy)
    {
        if (policy is null)
        {
            json.WriteBoolean("none", true);
            return;
        }
        json.WriteStartObject("policy");
        foreach ((RetentionRule rule, int limit) in policy.Rules())
            json.WriteNumber(rule.ToString().ToLowerInvariant(), limit);
        json.WriteString("timeZone", policy.TimeZoneId);
        json.WriteEndObject();
    }

    /// <param name="data">The record's data.</param>
    /// <param name="applianceName">What the appliance was called then, or null.</param>
    /// <returns>The policy; null when the record takes it away.</returns>
    /// <exception cref="FormatException">It is not a policy, or has a rule that this version does not know: to leave it
    /// out would remove what it keeps.</exception>
    internal static RetentionPolicy? Read(string? data, out string? applianceName)
    {
        using JsonDocument document = JsonText.Parse(System.Text.Encoding.UTF8.GetBytes(data ?? "{}"));
        JsonElement root = document.RootElement;
        applianceName = root.ReadStringOrNull("name");
        if (root.ReadBool("none")) return null;
        if (!root.TryGetProperty("policy", out JsonElement stored) || stored.ValueKind != JsonValueKind.Object)
            throw new FormatException("The record holds no policy.");
        var policy = new RetentionPolicy { TimeZoneId = stored.ReadString("timeZone") };
        foreach (JsonProperty member in stored.EnumerateObject())
        {
            if (member.Name == "timeZone") continue;
            if (member.Value.ValueKind != JsonValueKind.Number || !member.Value.TryGetInt32(out int limit) || limit < 1)
                throw new FormatException($"The rule '{member.Name}' has no limit.");
            policy = member.Name switch
            {
                "last" => policy with { Last = limit },
                "hourly" => policy with { Hourly = limit },
                "daily" => policy with { Daily = limit },
                "weekly" => policy with { Weekly = limit },
                "monthly" => policy with { Monthly = limit },
                "yearly" => policy with { Yearly = limit },
                _ => throw new FormatException($"The rule '{member.Name}' is of a newer version of the module."),
            };
        }
        return policy.KeepsEverything ? throw new FormatException("The policy has no rule.") : policy;
    }
}
