package etcdtest

import "strings"

// differences are what the contract asks for only where a version has it. All else is the same on 3.5, 3.6 and 3.7.
type differences struct {
	storageVersion bool // Status tells the version of the storage
	quota          bool // Status tells the quota
	namesCorrupt   bool // the alarm that follows a compaction names the member with other data
	alarmsApart    bool // an alarm is in force until it is disarmed, whatever becomes of others
	statusOfAuth   bool // anybody is told whether authentication is on
}

func differencesOf(version string) differences {
	before36 := strings.HasPrefix(version, "3.5.")
	before37 := before36 || strings.HasPrefix(version, "3.6.")
	return differences{
		storageVersion: !before36, quota: !before36, namesCorrupt: !before36, alarmsApart: !before36, statusOfAuth: !before37,
	}
}
