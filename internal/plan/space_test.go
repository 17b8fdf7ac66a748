package plan

import "testing"

func TestAQuotaNearTheVolumeIsWarnedOf(t *testing.T) {
	const gi = 1 << 30
	for _, tc := range []struct {
		claim  string
		space  Space
		warned bool
	}{
		{"no quota", Space{0, gi}, false},
		{"no volume yet", Space{gi, 0}, false},
		{"three quarters", Space{gi * 3 / 4, gi}, false},
		{"95 %", Space{gi / 100 * 95, gi}, true},
		{"more than there is", Space{2 * gi, gi}, true},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			if got := QuotaNearVolumeSize(tc.space); got.Holds != tc.warned {
				t.Errorf("got %+v", got)
			}
		})
	}
}
